"""A user's own images and labels: checked, divided into train and test, and stored for `kerneldistill.pipeline`."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from etils import epath
from numpy.typing import ArrayLike

from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import whole

# Names of the arrays in the file, as `data.image_key` and `data.label_key` write them.
IMAGE_KEY, LABEL_KEY = "x_{split}", "y_{split}"


class LabelledImages(NamedTuple):
    """images: uint8 [n, h, w, c] pixels. labels: int64 [n] class index."""

    images: np.ndarray
    labels: np.ndarray


class Arrays(NamedTuple):
    """A data set in memory.

    train: images to learn and to validate on
    test: images to report on
    class_names: [k] names in label order
    """

    train: LabelledImages
    test: LabelledImages
    class_names: tuple[str, ...]

    @property
    def digest(self) -> str:
        """sha256 of every image, label and name, hexadecimal."""
        found = hashlib.sha256(repr(self.class_names).encode())
        for array in (*self.train, *self.test):
            found.update(f"{array.shape}".encode())
            found.update(array.tobytes())
        return found.hexdigest()

    def save(self, file: Path) -> None:
        """Write an .npz that the `npz` source reads, whole or not at all."""
        with whole(epath.Path(file)) as temporary, open(temporary, "wb") as stream:
            np.savez(
                stream,
                x_train=self.train.images,
                y_train=self.train.labels,
                x_test=self.test.images,
                y_test=self.test.labels,
                class_names=np.array(self.class_names),
            )


def arrays_of(
    images: ArrayLike,
    labels: ArrayLike,
    test: tuple[ArrayLike, ArrayLike] | None,
    test_fraction: float,
    seed: int,
    class_names: Sequence[str] | None,
) -> Arrays:
    """Check what a user gave, and hold out a test split where there is none.

    Raises:
      UserError: an array has another shape or type than allowed, a class has no image or only one, labels are out of
        range, or the test images differ in shape.
    """
    checked, names = _checked(images, labels, "images", "labels"), None if class_names is None else tuple(class_names)
    num_classes = _num_classes(checked.labels, names)
    names = names or tuple(map(str, range(num_classes)))
    if test is None:
        return Arrays(*_held_out(checked, num_classes, test_fraction, seed), names)
    given = _checked(*test, "test images", "test labels")
    if given.images.shape[1:] != checked.images.shape[1:]:
        raise UserError(
            f"test images are {_shape(given.images)} and images are {_shape(checked.images)}: give both in one size"
        )
    if given.labels.max() >= num_classes:
        raise UserError(
            f"test labels go up to {given.labels.max()}, allowed is 0 to {num_classes - 1}, the classes of the "
            "training labels: leave the others out"
        )
    return Arrays(checked, given, names)


def check_pixels(images: ArrayLike, name: str = "images") -> np.ndarray:
    """Images as uint8 [n, h, w, c]; grey ones may come as [n, h, w].

    Raises:
      UserError: they have another shape or type, or there are none.
    """
    pixels = np.asarray(images)
    if pixels.dtype != np.uint8:
        raise UserError(f"{name} are {pixels.dtype}{_range(pixels)}, allowed is uint8, 0 to 255: {_as_uint8(pixels)}")
    if pixels.ndim not in (3, 4) or (pixels.ndim == 4 and pixels.shape[-1] not in (1, 3, 4)):
        raise UserError(
            f"{name} are uint8 {list(pixels.shape)}, allowed is [n, h, w] (grey) or [n, h, w, c] of 1, 3 or 4 channels"
            + (": move the channels last, images.transpose(0, 2, 3, 1)" if _channels_first(pixels) else "")
        )
    if not pixels.size:
        raise UserError(f"{name} are {list(pixels.shape)}: give at least one image")
    return pixels[..., None] if pixels.ndim == 3 else pixels


def _checked(images: ArrayLike, labels: ArrayLike, images_name: str, labels_name: str) -> LabelledImages:
    pixels, classes = check_pixels(images, images_name), np.asarray(labels)
    if classes.shape != (len(pixels),) or classes.dtype.kind not in "iu":
        one_hot = classes.ndim == 2 and len(classes) == len(pixels)
        raise UserError(
            f"{labels_name} are {classes.dtype} {list(classes.shape)}, allowed are whole numbers [{len(pixels)}], one "
            f"class index for each image{': give labels.argmax(1)' if one_hot else ''}"
        )
    if (least := int(classes.min())) < 0:
        raise UserError(f"{labels_name} go down to {least}, allowed are class indices from 0 up")
    return LabelledImages(pixels, classes.astype(np.int64))


def _num_classes(labels: np.ndarray, names: tuple[str, ...] | None) -> int:
    largest = int(labels.max())
    if names is not None and largest >= len(names):
        raise UserError(
            f"labels go up to {largest}, allowed is 0 to {len(names) - 1}, as class_names has {len(names)} names"
        )
    found = np.unique(labels)
    wanted = largest + 1 if names is None else len(names)
    if wanted < 2:
        raise UserError("labels are all 0, allowed are two classes or more")
    if len(found) != wanted:
        missing = next(label for label in range(wanted) if label >= len(found) or found[label] != label)
        raise UserError(
            f"labels go up to {wanted - 1}, but class {missing} has no image: number the classes without gaps, "
            "np.unique(labels, return_inverse=True)[1]"
        )
    return wanted


def _held_out(
    given: LabelledImages, num_classes: int, fraction: float, seed: int
) -> tuple[LabelledImages, LabelledImages]:
    """The part of each class that stays, and the part that is drawn for test, both in their order."""
    if not 0 < fraction < 1:
        raise UserError(f"test_fraction is {fraction}, allowed is a number between 0 and 1, for example 0.2")
    drawn, rng = np.zeros(len(given.labels), bool), np.random.default_rng(seed)
    for label in range(num_classes):
        rows = np.flatnonzero(given.labels == label)
        if len(rows) < 2:
            raise UserError(f"class {label} has one image, needed are 2 or more, one of them for test: give test=(...)")
        number = min(len(rows) - 1, max(1, round(fraction * len(rows))))
        drawn[rng.choice(rows, number, replace=False)] = True
    train, test = (LabelledImages(*(array[mask] for array in given)) for mask in (~drawn, drawn))
    return train, test


def _shape(images: np.ndarray) -> str:
    return "x".join(map(str, images.shape[1:]))


def _channels_first(pixels: np.ndarray) -> bool:
    return pixels.ndim == 4 and pixels.shape[1] in (1, 3, 4)


def _range(pixels: np.ndarray) -> str:
    return f" from {pixels.min():g} to {pixels.max():g}" if pixels.size and pixels.dtype.kind in "fiu" else ""


def _as_uint8(pixels: np.ndarray) -> str:
    """How to make uint8 of them."""
    if pixels.dtype.kind == "f" and pixels.size and pixels.min() >= 0 and pixels.max() <= 1:
        return 'give (images * 255).round().astype("uint8")'
    if pixels.dtype.kind in "fiu" and pixels.size and pixels.min() >= 0 and pixels.max() <= 255:
        return 'give images.round().astype("uint8")'
    return "give the pixels as they are before any normalisation"
