"""`Npz`: arrays of images and labels, in .npz or .npy files.

    DIR = data.npz with image, label                        one split, `all`
    DIR = data.npz with x_train, y_train, x_test, y_test    splits `train` and `test`
    DIR = folder of train.npz, test.npz with image, label   one split per file
    DIR = folder of x_train.npy, y_train.npy, ...           as one .npz of these names

Arrays are found by their names (`images`, `x`, `data`; `labels`, `y`, `targets`; with or without a split before or
after), or are those that `image_key` and `label_key` name, such as `x_{split}`. `pixels` says what images are, and
`array_labels` what labels are. An array `class_names` [k], where there is one, names the classes of labels 0..k-1.
"""

import functools
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.sources.array_files import (
    array,
    array_names,
    check_arrays,
    files_of,
    forget_arrays,
    listed,
)
from kerneldistill.pipeline.sources.array_labels import label_rows
from kerneldistill.pipeline.sources.classes import class_names, name_of
from kerneldistill.pipeline.sources.notes import note
from kerneldistill.pipeline.sources.pixels import check_layout, scale_of, to_uint8
from kerneldistill.pipeline.sources.record import BadRecord, Record, bad
from kerneldistill.pipeline.sources.shape import wanted_shape
from kerneldistill.pipeline.sources.source import WHOLE, Source
from kerneldistill.pipeline.storage.files import absolute, sha256
from kerneldistill.pipeline.titles import UNVERSIONED
from kerneldistill.pipeline.untrusted.names import printable

_NAMES = "class_names"
_IMAGES = ("image", "images", "x", "data", "pixels")
_LABELS = ("label", "labels", "y", "target", "targets")
_WORD = re.compile(rf"(?:(?P<before>\w+?)_)?(?P<word>{'|'.join((*_IMAGES, *_LABELS))})(?:_(?P<after>\w+))?", re.I)
_DEFAULTS = {field.name: field.default for field in fields(DataConfig)}


class Place(NamedTuple):
    """Where the examples of a split are.

    file: the .npz, or the folder of .npy files
    images: name of the array of images
    labels: name of the array of labels
    """

    file: str
    images: str
    labels: str


@dataclass(frozen=True)
class Npz(Source):
    """Arrays in .npz or .npy files.

    places: where the examples are, by split
    named: whether labels are indices into class_names, rather than names
    scale: by which the numbers of the images are multiplied to be pixels
    """

    places: Mapping[str, Place]
    named: bool
    scale: int

    def read(self, split: str, start: int, stop: int) -> Iterator[Record | BadRecord]:
        place = self.places[split]
        images, labels, numbers = array(place.file, place.images), _labels(place), self.labels(split)
        for row in range(start, stop):
            key = f"{split}/{row:07d}"
            if numbers[row] < 0:
                text = printable(str(labels[row]))[:80]
                yield bad(key, f"label is {text}, expected a whole number from 0 up or a text", images[row])
            else:
                yield Record(key, to_uint8(images[row], self.scale), int(numbers[row]))

    def labels(self, split: str) -> np.ndarray:
        return _numbers(self.places[split], None if self.named else self.class_names)

    def fingerprint(self, splits: Sequence[str]) -> str:
        """Hash the files, whole."""
        places = {split: self.places[split] for split in splits}
        digests = {file: self._digest(file) for file in {place.file for place in places.values()}}
        parts = [(split, place.images, place.labels, digests[place.file]) for split, place in places.items()]
        return hashlib.sha256(repr((self.class_names, parts)).encode()).hexdigest()

    def _digest(self, file: str) -> str:
        digests = [sha256(path) for path in files_of(file)]
        return digests[0] if len(digests) == 1 else hashlib.sha256(repr(digests).encode()).hexdigest()


def detects(path: epath.Path) -> bool:
    """Return whether a file is an .npz, or a folder holds .npz or .npy files."""
    if path.is_dir():
        return any(file.name.endswith((".npz", ".npy")) for file in path.iterdir())
    return path.name.endswith(".npz")


def open_source(config: DataConfig) -> Npz:
    """Open the file or files that `config.dir` names, and check their checksums.

    Raises:
      DataError: there is none, it is damaged, or an array is missing or of a wrong shape or type.
    """
    path = None if config.dir is None else absolute(config.dir)
    if path is None or not path.exists():
        raise DataError(f"data.dir is {config.dir}; data.source = 'npz' needs a .npz file, or a folder of them")
    if path.name.endswith(".npy"):
        raise DataError(
            f"data.dir is {config.dir}, one array; name the folder that holds images and labels: {path.parent}"
        )
    forget_arrays()
    for cached in (_labels, _numbers):
        cached.cache_clear()
    places = _places(path, config)
    for file in {place.file for place in places.values()}:
        check_arrays(file)
    images = {f"{place.file}: {place.images}": array(place.file, place.images) for place in places.values()}
    shapes = {
        split: check_layout(array(place.file, place.images), f"{place.file}: {place.images}")
        for split, place in places.items()
    }
    scale = scale_of(images)
    _say(config, places, scale)
    named, names = _class_names(places, config)
    declared = {shape[1:] for shape in shapes.values()}
    return Npz(
        name=config.name,
        version=config.version or UNVERSIONED,
        file_format="npz",
        class_names=names,
        image_shape=wanted_shape(config, declared.pop() if len(declared) == 1 else (None, None, None), config.name),
        splits={split: shape[0] for split, shape in shapes.items()},
        places=places,
        named=named,
        scale=scale,
    )


def _places(path: epath.Path, config: DataConfig) -> dict[str, Place]:
    """Find the arrays of each split."""
    archives = sorted(file for file in path.iterdir() if file.name.endswith(".npz")) if path.is_dir() else []
    for folder in (file for file in archives if file.is_dir()):
        raise DataError(f"{folder} is a folder, not an .npz file: restore the file, or give the folder another name")
    files = {str(file): file.name.removesuffix(".npz") for file in archives} or {str(path): WHOLE}
    keys = {"image_key": config.image_key, "label_key": config.label_key}
    asked = {key: text for key, text in keys.items() if text != _DEFAULTS[key]}
    found: dict[str, dict[str, Place]] = {}
    for file, stem in files.items():
        found[stem] = _named(file, **keys) if asked else _alike(file)
    several = len(files) > 1 or archives
    places = {
        stem if split == WHOLE and several else split: place
        for stem, places in found.items()
        for split, place in places.items()
    }
    if not places:
        raise DataError(
            f"{path} holds no split with data.image_key {config.image_key!r} and data.label_key "
            f"{config.label_key!r}; it has the arrays {listed(next(iter(files)))}; name two of them with "
            "--data.image-key and --data.label-key"
        )
    return places


def _named(file: str, image_key: str, label_key: str) -> dict[str, Place]:
    """Find the arrays of the given names, `{split}` in them standing for any split."""
    if "{split}" not in image_key:
        return {WHOLE: Place(file, image_key, label_key)}
    names = array_names(file)
    before, _, after = image_key.partition("{split}")
    splits = [n[len(before) : len(n) - len(after)] for n in names if n.startswith(before) and n.endswith(after)]
    return {
        split: Place(file, image_key.replace("{split}", split), label)
        for split in splits
        if split and (label := label_key.replace("{split}", split)) in names
    }


def _alike(file: str) -> dict[str, Place]:
    """Find arrays by what images and labels are mostly called."""
    kinds: dict[str, tuple[list[str], list[str]]] = {}
    for name in array_names(file):
        if name != _NAMES and (match := _WORD.fullmatch(name)):
            split = match["before"] or match["after"] or WHOLE
            kinds.setdefault(split, ([], []))[match["word"].lower() in _LABELS].append(name)
    for split, (images, labels) in kinds.items():
        if len(images) > 1 or len(labels) > 1:
            raise DataError(
                f"{file} has, for the split {printable(split)}, the arrays {', '.join(map(printable, images + labels))}"
                "; allowed: one of images and one of labels: name them with --data.image-key and --data.label-key"
            )
    return {split: Place(file, *x, *y) for split, (x, y) in kinds.items() if x and y}


def _say(config: DataConfig, places: Mapping[str, Place], scale: int) -> None:
    """Say what was guessed of the arrays."""
    said = [
        f"{printable(place.images)} with {printable(place.labels)}"
        for place in places.values()
        if (place.images, place.labels) != (config.image_key, config.label_key)
    ]
    types = {array(place.file, place.images).dtype for place in places.values()}
    if types != {np.dtype(np.uint8)}:
        kinds = ", ".join(sorted(map(str, types)))
        said.append(f"the images, {kinds} of 0..{255 // scale}, are rounded to pixels 0..255")
    if any(array(place.file, place.labels).shape[1:] not in ((), (1,)) for place in places.values()):
        said.append("the labels are one-hot")
    if said:
        note(f"{config.name}: {'; '.join(said)}")


@functools.cache
def _labels(place: Place) -> np.ndarray:
    """Return whole numbers or texts [n]."""
    num_images = len(array(place.file, place.images))
    return label_rows(array(place.file, place.labels), num_images, f"{place.file}: {place.labels}")


@functools.lru_cache(maxsize=8)
def _numbers(place: Place, names: tuple[str, ...] | None) -> np.ndarray:
    """Return class indices [n], -1 where a label is none; names: of the classes, None where labels are indices."""
    values, inverse = np.unique(_labels(place), return_inverse=True)
    if names is None:
        return np.maximum(_labels(place).astype(np.int64), -1)
    index = {name: number for number, name in enumerate(names)}
    return np.array([index.get(name_of(value) or "", -1) for value in values], np.int64)[inverse]


def _class_names(places: Mapping[str, Place], config: DataConfig) -> tuple[bool, tuple[str, ...]]:
    """Return whether a file lists the class names, and the names."""
    numbers = all(_labels(place).dtype.kind in "iub" for place in places.values())
    for place in places.values():
        if numbers and _NAMES in array_names(place.file):
            return True, tuple(map(str, array(place.file, _NAMES).tolist()))
    return False, class_names((label for place in places.values() for label in np.unique(_labels(place))), config.name)
