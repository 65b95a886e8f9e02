"""`CsvList`: pictures that a CSV file lists, one line each: path, label and, where there is one, split.

    DIR = pets/labels.csv, or a folder with one such file
    path,label             the first line names the columns (`file_name`, `image`, ...; `class`, `category`, ...), or
    a/1.png,cat            there is none: the first column is the path, the second the label

Paths are relative to the file's folder and stay below it. Commas, semicolons and tabs separate.
"""

import csv
import functools
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.sources.classes import class_names
from kerneldistill.pipeline.sources.pictures import Listed, Pictures, declared_of, say_unchecked, sums_of
from kerneldistill.pipeline.sources.shape import wanted_shape
from kerneldistill.pipeline.sources.source import WHOLE
from kerneldistill.pipeline.storage.files import absolute
from kerneldistill.pipeline.titles import UNVERSIONED
from kerneldistill.pipeline.untrusted.file import read_bounded
from kerneldistill.pipeline.untrusted.names import printable

_SUFFIXES = (".csv", ".tsv")
# What the columns are mostly called, in lower case.
_PATHS = ("path", "file", "file_name", "filename", "filepath", "file_path", "image", "image_path", "img", "picture")
_LABELS = ("label", "labels", "class", "class_name", "category", "target", "y")
_SPLITS = ("split", "set", "partition")
# Of a file's text, and of a line's.
_MAX_BYTES = 1 << 28
_MAX_FIELD = 10_000
_DEFAULTS = {field.name: field.default for field in fields(DataConfig)}
Rows = dict[str, tuple[Listed, ...]]


@dataclass(frozen=True)
class CsvList(Pictures):
    """Pictures that a file lists.

    file: that lists them
    image_key: name of the column of paths, or the default
    label_key: name of the column of labels, or the default
    """

    file: str
    image_key: str
    label_key: str

    def listed(self, split: str) -> Sequence[Listed]:
        return _rows(self.file, self.image_key, self.label_key)[split]


def detects(path: epath.Path) -> bool:
    """Return whether a file is a list of pictures, or a folder has one whose first line names its columns."""
    if not path.is_dir():
        return path.suffix.lower() in _SUFFIXES
    files = _files(path)
    if len(files) != 1:
        return False
    header = [name.lower() for name in next(_lines(str(files[0])), [])]
    return bool({*header} & {*_PATHS}) and bool({*header} & {*_LABELS})


def open_source(config: DataConfig) -> CsvList:
    """Open the file that `config.dir` names, or the one in it.

    Raises:
      DataError: there is none, it is no such list, or none of its pictures can be read.
    """
    path = None if config.dir is None else absolute(config.dir)
    files = [] if path is None or not path.exists() else _files(path) if path.is_dir() else [path]
    if len(files) != 1:
        raise DataError(
            f"data.dir is {config.dir}, with {len(files)} files .csv or .tsv; data.source = 'csv' needs one: "
            "name the file"
        )
    (file,) = files
    for cached in (_rows, sums_of):
        cached.cache_clear()
    rows = _rows(str(file), config.image_key, config.label_key)
    names = [listed.name for split in rows.values() for listed in split]
    say_unchecked(file.parent, names)
    return CsvList(
        name=config.name,
        version=config.version or UNVERSIONED,
        file_format="csv",
        class_names=class_names((listed.label for split in rows.values() for listed in split), config.name),
        image_shape=wanted_shape(config, declared_of(file.parent, names, config), config.name),
        splits={split: len(listed) for split, listed in rows.items()},
        folder=str(file.parent),
        file=str(file),
        image_key=config.image_key,
        label_key=config.label_key,
    )


def _files(folder: epath.Path) -> list[epath.Path]:
    files = [path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")]
    return sorted(files)


@functools.cache
def _rows(file: str, image_key: str, label_key: str) -> Rows:
    """Read the pictures of each split, in the order of the file."""
    lines = _lines(file)
    header = next(lines, [])
    if len(header) < 2:
        raise DataError(f"{file} has {len(header)} column; allowed: two or more, path and label: write path,label")
    path, label = _column(header, image_key, "image_key", _PATHS), _column(header, label_key, "label_key", _LABELS)
    split = next((place for place, name in enumerate(header) if name.lower() in _SPLITS), None)
    found: dict[str, list[Listed]] = {}
    if path is None or label is None:  # the first line is a picture
        if path is not None or label is not None or not (epath.Path(file).parent / header[0]).exists():
            raise DataError(
                f"{file} begins with {printable(','.join(header))[:80]}; allowed: a line that names the columns, as "
                "path,label, or a picture's path and label: name the columns with --data.image-key, --data.label-key"
            )
        path, label, split = 0, 1, None
        found[WHOLE] = [Listed(header[0], header[1])]
    for number, line in enumerate(lines, 2):
        if len(line) != len(header):
            raise DataError(f"{file} line {number} has {len(line)} columns; allowed: {len(header)}, as in the first")
        found.setdefault(WHOLE if split is None else line[split], []).append(Listed(line[path], line[label]))
    twice = [name for name, count in Counter(row.name for rows in found.values() for row in rows).items() if count > 1]
    if twice:
        raise DataError(f"{file} lists {printable(twice[0])} twice; allowed: once, or test might be trained on")
    if not found:
        raise DataError(f"{file} lists no picture; allowed: one line or more below the first")
    return {name: tuple(listed) for name, listed in found.items()}


def _column(header: Sequence[str], asked: str, key: str, usual: Sequence[str]) -> int | None:
    """Find the column of the name that is asked for, or of a usual one; None without such."""
    if asked in header:
        return header.index(asked)
    if asked != _DEFAULTS[key]:
        shown = ", ".join(map(printable, header))[:200]
        raise DataError(f"data.{key} is {asked!r}; the columns are {shown}: name one of them")
    return next((place for place, name in enumerate(header) if name.lower() in usual), None)


def _lines(file: str) -> Iterator[list[str]]:
    """Yield the lines of a file, split, without empty ones."""
    try:
        text = read_bounded(file, _MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 (byte {error.start:,}): save it as UTF-8") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        for line in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True):
            if any(len(field) > _MAX_FIELD for field in line):
                raise DataError(f"{file} has a field of more than {_MAX_FIELD:,} letters: it is no list of pictures")
            if line:
                yield [field.strip() for field in line]
    except csv.Error as error:
        raise DataError(f"{file} is no CSV ({error}): save it again") from error
