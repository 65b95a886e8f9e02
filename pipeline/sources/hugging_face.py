"""`HuggingFace`: a data set of the library `datasets` on disk, read with pyarrow.

    DIR of DatasetDict.save_to_disk    dataset_dict.json, and a folder of .arrow files with state.json for each split
    DIR of Dataset.save_to_disk        state.json and .arrow files: one split, `all`
    DIR of the hub                     train-00000-of-00002.parquet, ... in DIR or in DIR/data

The image is the column whose feature is Image, the label the one whose feature is ClassLabel, or those that are mostly
called so, or that `image_key` and `label_key` name. Images must be in the files, not beside them.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any

import numpy as np
from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.sources.classes import class_names, name_of
from kerneldistill.pipeline.sources.probe import PROBED, declared_shape
from kerneldistill.pipeline.sources.record import BadRecord, Record, bad
from kerneldistill.pipeline.sources.shape import wanted_shape
from kerneldistill.pipeline.sources.source import WHOLE, Source
from kerneldistill.pipeline.storage.files import absolute, forget_local, kept_local, sha256
from kerneldistill.pipeline.titles import UNVERSIONED
from kerneldistill.pipeline.untrusted.arrow_rows import described, features_of, read_rows
from kerneldistill.pipeline.untrusted.document import read_json
from kerneldistill.pipeline.untrusted.file import read_bounded
from kerneldistill.pipeline.untrusted.limits import MAX_PICKLE_BYTES
from kerneldistill.pipeline.untrusted.names import is_relative, printable

_DICT, _STATE = "dataset_dict.json", "state.json"
_SHARD = re.compile(r"(?P<split>\w+?)(-\d+-of-\d+)?\.parquet")
_IMAGES = ("image", "images", "img", "picture")
_LABELS = ("label", "labels", "class", "target", "fine_label", "y")
Files = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class HuggingFace(Source):
    """Rows of .arrow or .parquet files.

    files: of each split, in order
    image_key, label_key: names of the columns
    named: whether labels are indices into class_names
    """

    files: Files
    image_key: str
    label_key: str
    named: bool

    def read(self, split: str, start: int, stop: int) -> Iterator[Record | BadRecord]:
        labels = self.labels(split)
        for row, (cell,) in enumerate(_rows(self.files[split], (self.image_key,), start, stop), start):
            key, content = f"{split}/{row:07d}", _content(cell)
            if content is None:
                yield bad(key, "image is not in the file: save it with its bytes", b"")
            elif labels[row] < 0:
                yield bad(key, "label is none of the classes", content)
            else:
                yield Record(key, content, int(labels[row]))

    def labels(self, split: str) -> np.ndarray:
        return _labels(self.files[split], self.label_key, self.class_names, self.named)

    def fingerprint(self, splits: Sequence[str]) -> str:
        """Hash the files, whole."""
        parts = [(split, [sha256(file) for file in self.files[split]]) for split in splits]
        columns = (self.image_key, self.label_key, self.class_names)
        return hashlib.sha256(repr((columns, parts)).encode()).hexdigest()


def detects(path: epath.Path) -> bool:
    """Return whether a folder is a data set of `datasets`."""
    return (path.is_dir() and any((path / name).exists() for name in (_DICT, _STATE))) or bool(_shards(path))


def open_source(config: DataConfig) -> HuggingFace:
    """Open the folder that `config.dir` names.

    Raises:
      DataError: it is no such data set, is damaged, or has no images and labels.
    """
    path = None if config.dir is None else absolute(config.dir)
    if path is None or not detects(path):
        raise DataError(f"data.dir is {config.dir}; data.source = 'hf' needs a folder of save_to_disk, or of parquets")
    forget_local()
    _labels.cache_clear()
    files = _files(path)
    found = {split: [described(kept_local(file)) for file in names] for split, names in files.items()}
    schema = next(iter(found.values()))[0][0]
    image = _column(schema, config.image_key, "image_key", "Image", _IMAGES)
    label = _column(schema, config.label_key, "label_key", "ClassLabel", _LABELS)
    for split, parts in found.items():
        if any(_types(part, image, label) != _types(schema, image, label) for part, _ in parts):
            raise DataError(f"{path}: the columns of {printable(split)} differ from the others'; save all in one way")
    feature = features_of(schema).get(label)
    names = feature.get("names") if isinstance(feature, dict) else None
    named = isinstance(names, list) and bool(names)
    if not named:
        names = class_names((cell for part in files.values() for (cell,) in _rows(part, (label,))), config.name)
    probed = [_content(cell) or b"" for (cell,) in _rows(next(iter(files.values())), (image,), 0, PROBED)]
    splits = {split: sum(rows for _, rows in parts) for split, parts in found.items()}
    if (declared := declared_shape(probed, sum(splits.values()), config)) is None:
        raise DataError(f"none of the first {len(probed)} images of {path}, column {image}, can be read")
    return HuggingFace(
        name=config.name,
        version=config.version or UNVERSIONED,
        file_format="hf",
        class_names=tuple(map(str, names or ())),
        image_shape=wanted_shape(config, declared, config.name),
        splits=splits,
        files=files,
        image_key=image,
        label_key=label,
        named=named,
    )


def _shards(path: epath.Path) -> list[epath.Path]:
    folders = [folder for folder in (path, path / "data") if folder.is_dir()]
    return sorted(file for folder in folders for file in folder.iterdir() if _SHARD.fullmatch(file.name))


def _files(path: epath.Path) -> Files:
    """List the files of each split."""
    if (path / _DICT).exists():
        splits = _said(path / _DICT, "splits")
        return {split: _saved(path / split) for split in splits}
    if (path / _STATE).exists():
        return {WHOLE: _saved(path)}
    files: dict[str, tuple[str, ...]] = {}
    for file in _shards(path):
        match = _SHARD.fullmatch(file.name)
        split = match["split"] if match else WHOLE
        files[split] = (*files.get(split, ()), str(file))
    return files


def _saved(folder: epath.Path) -> tuple[str, ...]:
    return tuple(str(folder / name) for name in _said(folder / _STATE, "_data_files"))


def _said(file: epath.Path, key: str) -> list[str]:
    """Read the names of files or folders that a JSON file lists."""
    document = read_json(read_bounded(file, MAX_PICKLE_BYTES), str(file))
    listed = document.get(key) if isinstance(document, dict) else None
    given = [name.get("filename") if isinstance(name, dict) else name for name in listed or ()]
    names = [name for name in given if isinstance(name, str) and is_relative(name)]
    if not names or len(names) < len(given):
        raise DataError(f"{file} lists no files of its own as {key!r}; save the data set again")
    return names


def _column(schema: Any, asked: str, key: str, kind: str, usual: Sequence[str]) -> str:
    """Find the column of the name that is asked for, else the one of a kind of feature, else of a usual name."""
    if asked in schema.names:
        return asked
    features = features_of(schema)
    typed = [n for n in schema.names if isinstance(features.get(n), dict) and features[n].get("_type") == kind]
    found = typed or [name for name in schema.names if name.lower() in usual]
    if len(found) != 1:
        shown = ", ".join(map(printable, schema.names))[:300]
        raise DataError(f"data.{key} is {asked!r}; the columns are {shown}: name one of them")
    return found[0]


def _types(schema: Any, *columns: str) -> list[Any]:
    return [schema.field(name).type if name in schema.names else None for name in columns]


def _content(cell: Any) -> bytes | None:
    """Return the encoded picture in a cell."""
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    return content if isinstance(content, bytes) else None


def _rows(
    files: Sequence[str], columns: Sequence[str], start: int = 0, stop: int | None = None
) -> Iterator[tuple[Any, ...]]:
    """Yield the cells of the rows start..stop-1 of some files, one after the other."""
    counts = [described(kept_local(file))[1] for file in files]
    for file, count, end in zip(files, counts, accumulate(counts), strict=True):
        first, last = max(0, start - end + count), count if stop is None else min(count, stop - end + count)
        cells = list(read_rows(kept_local(file), columns, first, last)) if first < last else []
        if len(cells) != max(0, last - first):
            raise DataError(f"{file} has {len(cells)} rows where it says {last - first}: restore it")
        yield from cells


@cache
def _labels(files: tuple[str, ...], column: str, names: tuple[str, ...], named: bool) -> np.ndarray:
    """Return class indices int64 [n], -1 where a label is none."""
    index = {str(number) if named else name: number for number, name in enumerate(names)}
    return np.array([index.get(name_of(cell) or "", -1) for (cell,) in _rows(files, (column,))], np.int64)
