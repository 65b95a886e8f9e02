"""`Pictures`: encoded pictures in files below one folder, with the list of digests that may lie beside them.

`sha256sum`'s list in DIR/SHA256SUMS, where there is one, is compared with every file: most picture formats have no
checksum of their own.
"""

import abc
import errno
import functools
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.sources.notes import note
from kerneldistill.pipeline.sources.probe import PROBED, declared_shape
from kerneldistill.pipeline.sources.record import BadRecord, Record, bad
from kerneldistill.pipeline.sources.shape import Declared
from kerneldistill.pipeline.sources.source import Source
from kerneldistill.pipeline.storage.files import sha256
from kerneldistill.pipeline.untrusted.file import NotAFileError, opened, read_bounded
from kerneldistill.pipeline.untrusted.names import printable

SUMS = "SHA256SUMS"
# What a picture's file may be called; a camera's formats that are not read are pictures all the same, and bad ones.
_FORMATS = (
    "png jpg jpeg jpe jfif gif bmp dib webp tif tiff heic heif avif jp2 jxl svg ppm pgm pnm tga ico psd raw dng cr2 "
    "nef arw orf mpo apng"
)
_SUFFIXES = frozenset(f".{name}" for name in _FORMATS.split())
# Of one picture's file.
_MAX_BYTES = 1 << 28
_UNREADABLE = (FileNotFoundError, PermissionError, NotAFileError, NotADirectoryError)


class Listed(NamedTuple):
    """A picture as it is listed.

    name: path relative to the folder
    label: name of its class
    """

    name: str
    label: str


@dataclass(frozen=True)
class Pictures(Source):
    """Pictures on disk or at a URL.

    folder: that holds them all
    """

    folder: str

    @abc.abstractmethod
    def listed(self, split: str) -> Sequence[Listed]:
        """Return the pictures of a split in their order."""

    def read(self, split: str, start: int, stop: int) -> Iterator[Record | BadRecord]:
        sums = sums_of(self.folder)
        for name, label in self.listed(split)[start:stop]:
            key = printable(name)
            if key != name or label not in self.class_names:
                yield bad(key, "is named by letters that do not print, or not UTF-8: rename it", b"")
                continue
            if not is_below(name):
                yield bad(key, "leads out of the folder: put it there", b"")
                continue
            try:
                content = _content(epath.Path(self.folder) / name)
            except OSError as error:
                if not _is_lasting(error):
                    raise
                yield bad(name, f"cannot be read: {error.strerror or first_line(error)}", b"")
                continue
            reason = _mismatch(name, content, sums)
            yield bad(name, reason, content) if reason else Record(name, content, self.class_names.index(label))

    def labels(self, split: str) -> np.ndarray:
        index = {name: number for number, name in enumerate(self.class_names)}
        return np.array([index.get(label, -1) for _, label in self.listed(split)], np.int64)

    def fingerprint(self, splits: Sequence[str]) -> str:
        """Hash names, labels, contents and the list SHA256SUMS: about a second per gigabyte."""
        sums = sums_of(self.folder)
        digest = hashlib.sha256(repr(self.class_names).encode())
        for split in splits:
            for name, label in self.listed(split):
                try:
                    content = sha256(epath.Path(self.folder) / name) if is_below(name) else "outside"
                except OSError as error:
                    if not _is_lasting(error):
                        raise
                    content = "unreadable"
                digest.update(encoded(f"{name} {label} {content} {sums.get(name, '')}\n"))
        return digest.hexdigest()


def declared_of(folder: epath.Path, names: Sequence[str], config: DataConfig) -> Declared:
    """Return the (h, w, c) that most of the first pictures have.

    Raises:
      DataError: none can be read, or so many differ that they cannot all be used.
    """

    def contents() -> Iterator[bytes]:
        for name in names[:PROBED]:
            try:
                yield _content(folder / name) if is_below(name) else b""
            except OSError:
                yield b""

    if (declared := declared_shape(contents(), len(names), config)) is None:
        raise DataError(
            f"none of the first {min(len(names), PROBED)} files of {folder} is a picture that can be read, "
            f"{printable(names[0])} to start"
        )
    return declared


def is_picture(name: str) -> bool:
    """Return whether a file is called as a picture is, or has no suffix that says otherwise."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix in _SUFFIXES or not suffix


def is_below(name: str) -> bool:
    """Return whether a name leads to a place below the folder that it is relative to."""
    return not os.path.isabs(name) and not os.path.normpath(name).startswith("..") and "\0" not in name


def encoded(text: str) -> bytes:
    """Return the bytes of a text with names of files in it, which need not be UTF-8."""
    return os.fsencode(text)


@functools.cache
def sums_of(folder: str) -> dict[str, str]:
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


def say_unchecked(folder: epath.Path, names: Sequence[str]) -> None:
    """Say of how many pictures nothing would tell a damage."""
    unchecked = sum(not name.lower().endswith(".png") for name in names)
    if unchecked and not sums_of(str(folder)):
        note(
            f"{unchecked} of {len(names)} pictures in {folder} carry no checksum: with what sha256sum says of them in "
            f"{SUMS}, damages are found"
        )


def _content(path: epath.Path) -> bytes:
    """Read a file of `_MAX_BYTES` at most; of a larger one, no more than is needed to tell."""
    with opened(path) as file:
        return file.read(_MAX_BYTES + 1)


def _is_lasting(error: OSError) -> bool:
    """Return whether a file will not be readable a moment later either: it is no fault of storage or network."""
    return isinstance(error, _UNREADABLE) or error.errno in (errno.ELOOP, errno.ENAMETOOLONG)


def _mismatch(name: str, content: bytes, sums: Mapping[str, str]) -> str:
    if not sums:
        return ""
    if name not in sums:
        return f"is not in {SUMS}"
    return "" if hashlib.sha256(content).hexdigest() == sums[name] else f"is not the file that {SUMS} lists"
