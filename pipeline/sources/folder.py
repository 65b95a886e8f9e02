"""`ImageFolder`: pictures in folders, one folder per class.

    DIR/train/cat/1.png    one folder per split: the splits are `train`, `test`, ...
    DIR/cat/1.png          no splits: there is one, `all`; take `all[:80%]` and `all[80%:]`

Examples are in the order of a hash of their names, so that a slice holds all classes. Names that begin with a dot are
left out; every other file is an example, and a bad one if it is no picture. `sha256sum`'s list in DIR/SHA256SUMS, where
there is one, is compared with every file: most picture formats have no checksum of their own.
"""

import errno
import functools
import hashlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.sources.image_decoding import measure
from kerneldistill.pipeline.sources.record import BadRecord, Record, bad
from kerneldistill.pipeline.sources.shape import wanted_shape
from kerneldistill.pipeline.sources.source import WHOLE, Source
from kerneldistill.pipeline.storage.files import absolute, names_below, sha256
from kerneldistill.pipeline.untrusted.file import NotAFileError, opened, read_bounded
from kerneldistill.pipeline.untrusted.names import is_name, printable

SUMS = "SHA256SUMS"
_PROBED = 100
# Of one picture's file.
_MAX_BYTES = 1 << 28
_UNREADABLE = (FileNotFoundError, PermissionError, NotAFileError, NotADirectoryError)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageFolder(Source):
    """Pictures on disk or at a URL.

    folder: DIR
    """

    folder: str

    def read(self, split: str, start: int, stop: int) -> Iterator[Record | BadRecord]:
        sums = _sums(self.folder)
        for name in _names(self.folder, split)[start:stop]:
            key = printable(name)
            if key != name or _class_of(name) not in self.class_names:
                yield bad(key, "is named by letters that do not print, or not UTF-8: rename it", b"")
                continue
            try:
                content = _content(epath.Path(self.folder) / name)
            except OSError as error:
                if not _is_lasting(error):
                    raise
                yield bad(name, f"cannot be read: {error.strerror or first_line(error)}", b"")
                continue
            reason = _mismatch(name, content, sums)
            yield bad(name, reason, content) if reason else Record(name, content, self._label(name))

    def fingerprint(self, splits: Sequence[str]) -> str:
        """Hash names, contents and the list SHA256SUMS: about a second per gigabyte."""
        sums = _sums(self.folder)
        digest = hashlib.sha256(repr(self.class_names).encode())
        for split in splits:
            for name in _names(self.folder, split):
                try:
                    content = sha256(epath.Path(self.folder) / name)
                except OSError as error:
                    if not _is_lasting(error):
                        raise
                    content = "unreadable"
                digest.update(_encoded(f"{name} {content} {sums.get(name, '')}\n"))
        return digest.hexdigest()

    def _label(self, name: str) -> int:
        return self.class_names.index(_class_of(name))


def open_source(config: DataConfig) -> ImageFolder:
    """Open the folder that `config.dir` names.

    Raises:
      DataError: there is none, it is not laid out as above, or no size is known.
    """
    folder = None if config.dir is None else absolute(config.dir)
    if folder is None or not folder.is_dir():
        raise DataError(f"data.dir is {config.dir}; data.source = 'folder' needs a folder with one folder per class")
    for cached in (_tree, _names, _sums):
        cached.cache_clear()
    tree = _tree(str(folder))
    splits = {split: sum(map(len, classes.values())) for split, classes in tree.items()}
    if not any(splits.values()):
        raise DataError(f"{folder} holds no pictures in class folders; allowed: SPLIT/CLASS/picture or CLASS/picture")
    names = tuple(sorted({name for classes in tree.values() for name in classes if is_name(name)}))
    _warn_unchecked(folder, tree)
    return ImageFolder(
        name=config.name,
        version=config.version or "0",
        file_format="folder",
        class_names=names,
        image_shape=wanted_shape(config, _declared(folder, tree), config.name),
        splits=splits,
        folder=str(folder),
    )


def _declared(folder: epath.Path, tree: Mapping[str, Mapping[str, list[str]]]) -> tuple[int, int, int]:
    """Return (h, w, c) of the first picture that can be read."""
    names = [name for split in tree for name in _names(str(folder), split)[:_PROBED]]
    for name in names:
        try:
            return measure(_content(folder / name))
        except (ValueError, OSError):
            continue
    raise DataError(
        f"none of the first {len(names)} files of {folder} is a picture that can be read, "
        f"{printable(names[0])} to start"
    )


def _content(path: epath.Path) -> bytes:
    """Read a file of `_MAX_BYTES` at most; of a larger one, no more than is needed to tell."""
    with opened(path) as file:
        return file.read(_MAX_BYTES + 1)


def _is_lasting(error: OSError) -> bool:
    """Return whether a file will not be readable a moment later either: it is no fault of storage or network."""
    return isinstance(error, _UNREADABLE) or error.errno in (errno.ELOOP, errno.ENAMETOOLONG)


def _class_of(name: str) -> str:
    return name.split("/")[-2]


def _encoded(text: str) -> bytes:
    """Return the bytes of a text with names of files in it, which need not be UTF-8."""
    return os.fsencode(text)


@functools.cache
def _tree(folder: str) -> dict[str, dict[str, list[str]]]:
    """List the files by split and class, with those that only SHA256SUMS lists: they are missing."""
    names = sorted({*_visible(folder), *_sums(folder)})
    depth = 3 if any(name.count("/") == 2 for name in names) else 2
    tree: dict[str, dict[str, list[str]]] = {}
    for name in names:
        if name.count("/") == depth - 1:
            *split, label, _ = name.split("/")
            tree.setdefault(split[0] if split else WHOLE, {}).setdefault(label, []).append(name)
    taken = sum(map(len, (files for classes in tree.values() for files in classes.values())))
    if ignored := len(set(names) - {SUMS}) - taken:
        _log.warning("%d files in %s are in no class folder, and are left out", ignored, folder)
    return tree


def _visible(folder: str) -> Iterator[str]:
    """Yield the names of all files below, except those with a dot at the start of a part."""
    return (name for name in names_below(folder) if not any(part.startswith(".") for part in name.split("/")))


@functools.cache
def _names(folder: str, split: str) -> tuple[str, ...]:
    """List the files of a split, in the order of the hashes of their names."""
    names = [name for names in _tree(folder)[split].values() for name in names]
    return tuple(sorted(names, key=lambda name: hashlib.blake2b(_encoded(name), digest_size=16).digest()))


@functools.cache
def _sums(folder: str) -> dict[str, str]:
    """Read the digests in SHA256SUMS, by name; none without the file."""
    path = epath.Path(folder) / SUMS
    if not path.exists():
        return {}
    sums = {}
    text = os.fsdecode(read_bounded(path))
    for number, line in enumerate(text.splitlines(), 1):
        digest, _, name = line.partition(" ")
        if len(digest) != 64 or not name:
            raise DataError(f"{path} line {number} is {line[:80]!r}; allowed: the lines of sha256sum")
        sums[name.removeprefix(" ").removeprefix("*").removeprefix("./")] = digest.lower()
    return sums


def _mismatch(name: str, content: bytes, sums: Mapping[str, str]) -> str:
    if not sums:
        return ""
    if name not in sums:
        return f"is not in {SUMS}"
    return "" if hashlib.sha256(content).hexdigest() == sums[name] else f"is not the file that {SUMS} lists"


def _warn_unchecked(folder: epath.Path, tree: Mapping[str, Mapping[str, list[str]]]) -> None:
    if _sums(str(folder)):
        return
    files = [name for classes in tree.values() for names in classes.values() for name in names]
    unchecked = sum(not name.lower().endswith(".png") for name in files)
    if unchecked:
        _log.warning(
            "%d of %d pictures in %s are in formats without a checksum: a damaged one may decode unnoticed; a list of "
            "digests in %s finds it (sha256sum)",
            unchecked,
            len(files),
            folder,
            SUMS,
        )
