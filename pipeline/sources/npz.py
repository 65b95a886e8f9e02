"""`Npz`: arrays of images and labels in one .npz file, or in one file per split.

    DIR = data.npz with x_train, y_train, x_test, y_test    image_key = "x_{split}", label_key = "y_{split}"
    DIR = data.npz with image, label                        one split, `all`; take `all[:80%]` and `all[80%:]`
    DIR = folder of train.npz, test.npz with image, label   one split per file

Images are uint8 [n, h, w] or [n, h, w, c], labels whole numbers or texts [n] or [n, 1]. An array
`class_names` [k], where there is one, names the classes of labels 0..k-1.
"""

import contextlib
import functools
import hashlib
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.sources.classes import class_names, name_of
from kerneldistill.pipeline.sources.record import BadRecord, Record, bad
from kerneldistill.pipeline.sources.shape import wanted_shape
from kerneldistill.pipeline.sources.source import WHOLE, Source
from kerneldistill.pipeline.storage.files import absolute, forget_local, kept_local, sha256
from kerneldistill.pipeline.untrusted.file import opened
from kerneldistill.pipeline.untrusted.names import printable
from kerneldistill.pipeline.untrusted.numpy_arrays import Header, read_header, read_npy
from kerneldistill.pipeline.untrusted.zip_archive import open_archive, unpacked

_NAMES = "class_names"
# numpy's kinds of types: numbers, and labels that are texts.
_KINDS = "fiubUS"
# Of an array that is packed, which is unpacked whole.
MAX_PACKED = 1 << 30


class Place(NamedTuple):
    """Where the examples of a split are.

    file: the .npz
    images: name of the array of images
    labels: name of the array of labels
    """

    file: str
    images: str
    labels: str


@dataclass(frozen=True)
class Npz(Source):
    """Arrays in .npz files.

    places: where the examples are, by split
    named: whether labels are indices into class_names, rather than names
    """

    places: Mapping[str, Place]
    named: bool

    def read(self, split: str, start: int, stop: int) -> Iterator[Record | BadRecord]:
        place = self.places[split]
        images, labels = _array(place.file, place.images), _array(place.file, place.labels).reshape(-1)
        index = {name: number for number, name in enumerate(self.class_names)}
        for row in range(start, stop):
            key, label = f"{split}/{row:07d}", labels[row]
            number = int(label) if self.named else index.get(name_of(label) or "", -1)
            if number < 0:
                yield bad(
                    key,
                    f"label is {printable(str(label))[:80]}, expected a whole number from 0 up or a text",
                    images[row],
                )
            else:
                yield Record(key, np.array(images[row]), number)

    def fingerprint(self, splits: Sequence[str]) -> str:
        """Hash the files, whole."""
        files = {split: self.places[split] for split in splits}
        digests = {file: sha256(file) for file in {place.file for place in files.values()}}
        parts = [(split, place.images, place.labels, digests[place.file]) for split, place in files.items()]
        return hashlib.sha256(repr((self.class_names, parts)).encode()).hexdigest()


def open_source(config: DataConfig) -> Npz:
    """Open the file or files that `config.dir` names, and check their checksums.

    Raises:
      DataError: there is none, it is damaged, or an array is missing or of a wrong shape or type.
    """
    path = None if config.dir is None else absolute(config.dir)
    if path is None or not path.exists():
        raise DataError(f"data.dir is {config.dir}; data.source = 'npz' needs a .npz file, or a folder of them")
    forget_local()
    for cached in (_array, _place):
        cached.cache_clear()
    places = _places(path, config)
    for file in {place.file for place in places.values()}:
        _check(file)
    shapes = {split: _shape(place) for split, place in places.items()}
    named, names = _class_names(places, config)
    declared = {shape[1:] for shape in shapes.values()}
    return Npz(
        name=config.name,
        version=config.version or "0",
        file_format="npz",
        class_names=names,
        image_shape=wanted_shape(config, declared.pop() if len(declared) == 1 else (None, None, None), config.name),
        splits={split: shape[0] for split, shape in shapes.items()},
        places=places,
        named=named,
    )


def _places(path: epath.Path, config: DataConfig) -> dict[str, Place]:
    keys = config.image_key, config.label_key
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.name.endswith(".npz"))
        places = {file.stem: Place(str(file), *(key.replace("{split}", file.stem) for key in keys)) for file in files}
    elif "{split}" in config.image_key:
        before, _, after = config.image_key.partition("{split}")
        arrays = [name for name in _names(str(path)) if name.startswith(before) and name.endswith(after)]
        splits = [name[len(before) : len(name) - len(after)] for name in arrays]
        places = {
            split: Place(str(path), *(key.replace("{split}", split) for key in keys))
            for split in splits
            if config.label_key.replace("{split}", split) in _names(str(path))
        }
    else:
        places = {WHOLE: Place(str(path), *keys)}
    if not places:
        found = f"; it has the arrays {', '.join(map(printable, _names(str(path))))[:500]}" if not path.is_dir() else ""
        raise DataError(f"{path} holds no split with data.image_key {keys[0]!r} and data.label_key {keys[1]!r}{found}")
    return places


def _check(file: str) -> None:
    """Compare every array with its checksum."""
    with _opened(file) as archive:
        large = [member for member in archive.infolist() if _is_packed(member) and member.file_size > MAX_PACKED]
        if large:
            raise DataError(
                f"{file}: {large[0].filename!r} unpacks to {large[0].file_size:,} bytes; allowed: {MAX_PACKED:,}; "
                "write it with numpy.savez, which packs nothing and is read in its place"
            )
        damaged = archive.testzip()
    if damaged:
        raise DataError(f"{file}: the checksum of array {printable(damaged)} does not match; restore the file")


def _shape(place: Place) -> tuple[int, int, int, int]:
    """Return (n, h, w, c) of the images of a split; check their type, and that of the labels."""
    images, labels = _array(place.file, place.images), _array(place.file, place.labels)
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise DataError(
            f"{place.file}: {place.images} is {images.dtype} {images.shape}; allowed: uint8 [n, h, w] or [n, h, w, c], "
            "0..255; convert it first"
        )
    if labels.shape not in ((len(images),), (len(images), 1)) or labels.dtype.kind not in "iubUS":
        raise DataError(
            f"{place.file}: {place.labels} is {labels.dtype} {labels.shape}; allowed: whole numbers or texts "
            f"[{len(images)}], one per image"
        )
    n, h, w, c = (*images.shape, 1)[:4]
    return n, h, w, c


def _class_names(places: Mapping[str, Place], config: DataConfig) -> tuple[bool, tuple[str, ...]]:
    """Return whether a file lists the class names, and the names."""
    numbers = all(_array(place.file, place.labels).dtype.kind in "iub" for place in places.values())
    for place in places.values():
        if numbers and _NAMES in _names(place.file):
            return True, tuple(map(str, _array(place.file, _NAMES).tolist()))
    labels = (_array(place.file, place.labels).reshape(-1) for place in places.values())
    return False, class_names((label for array in labels for label in np.unique(array)), config.name)


def _names(file: str) -> list[str]:
    with _opened(file) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


@functools.cache
def _array(file: str, name: str) -> np.ndarray:
    """Read an array; map it from the file where it is not compressed."""
    if name not in _names(file):
        has = ", ".join(map(printable, _names(file)))[:500]
        raise DataError(f"{file} has no array {name!r}; it has: {has}; set image_key and label_key")
    place = _place(file, name)
    if place is not None:
        header, offset = place
        order = "F" if header.fortran_order else "C"
        return np.memmap(kept_local(file), header.dtype, "r", offset, header.shape, order)
    with _opened(file) as archive:
        return read_npy(unpacked(archive, archive.getinfo(f"{name}.npy")), f"{file}: {name}", _KINDS)


@contextlib.contextmanager
def _opened(file: str) -> Iterator[zipfile.ZipFile]:
    """Open a file; turn every way in which a damaged one fails into one DataError."""
    try:
        with open_archive(kept_local(file)) as archive:
            yield archive
    except DataError as error:
        if isinstance(error.__cause__, DataError | None):
            raise
        raise DataError(f"{file} is not a readable .npz file ({first_line(error.__cause__)}); restore it") from error


def _is_packed(member: zipfile.ZipInfo) -> bool:
    return member.compress_type != zipfile.ZIP_STORED


@functools.cache
def _place(file: str, name: str) -> tuple[Header, int] | None:
    """Find the numbers of an array that is stored as it is, and their offset; None where it is packed or empty."""
    path = kept_local(file)
    with _opened(file) as archive:
        info = archive.getinfo(f"{name}.npy")
        with archive.open(info) as stream:
            header = read_header(stream, f"{file}: {name}", _KINDS)
            length = stream.tell()
        size = math.prod(header.shape) * header.dtype.itemsize
        if size != info.file_size - length:
            raise DataError(
                f"{file}: {name} says its shape is {str(header.shape)[:80]}, which its bytes are not; restore it"
            )
        if _is_packed(info) or not size:
            return None
    with opened(path) as raw:
        raw.seek(info.header_offset)
        head = raw.read(30)
    start = info.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    return header, start + length
