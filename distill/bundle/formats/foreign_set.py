"""`ForeignSet`: a distilled set as another program's file holds it, and what its arrays mean."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from kerneldistill.algorithms.labels import centred, centred_one_hot, class_probabilities
from kerneldistill.errors import UserError
from kerneldistill.pipeline.untrusted.limits import MAX_BYTES, MAX_IMAGE_VALUE, MAX_IMAGES, MAX_LABEL_VALUE, MAX_SIDE

Layout = Literal["NHWC", "NCHW"]
LabelForm = Literal["class numbers", "one-hot", "centred one-hot", "probabilities", "learned"]
CHANNELS = (1, 3, 4)
# Labels were stored in float32.
TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class ForeignSet:
    """Images and labels of a file.

    kind: the format, such as `npz of RFAD`
    images: float32 or uint8 [n, h, w, c] as stored, channels last
    labels: integers [n] or floats [n, k] as stored
    layout: order of the axes in the file
    step: outer steps done, where the file says; else None
    """

    kind: str
    images: np.ndarray
    labels: np.ndarray
    layout: Layout
    step: int | None = None


class Labels(NamedTuple):
    """Labels as kernel ridge regression takes them.

    values: float64 [n, k] centred one-hot, or as learned
    class_ids: int32 [n] the largest of each row
    form: what the file held
    """

    values: np.ndarray
    class_ids: np.ndarray
    form: LabelForm


def foreign_set(
    kind: str, images: np.ndarray, labels: np.ndarray, layout: Layout | None = None, step: int | None = None
) -> ForeignSet:
    """Return a set of stored arrays, checked, channels last.

    Args:
      kind: the format.
      images: numbers [n, h, w, c] or [n, c, h, w].
      labels: whole numbers [n] or [n, 1], or floats [n, k].
      layout: of the images; by default that which makes 1, 3 or 4 channels.

    Raises:
      UserError: the arrays are no images and labels, are not finite, or the layout could be either.
    """
    if images.ndim != 4 or min(images.shape) < 1 or len(images) > MAX_IMAGES or max(images.shape[1:]) > MAX_SIDE:
        raise UserError(f"{kind}: images are {images.shape}, allowed is [n, h, w, c] or [n, c, h, w]")
    if images.dtype.kind != "f" and images.dtype != np.uint8:
        raise UserError(f"{kind}: images are {images.dtype}, allowed are floats and uint8")
    if (size := images.size * min(4, images.itemsize * 4)) > MAX_BYTES:
        raise UserError(f"{kind}: images take {size:,} bytes, allowed are {MAX_BYTES:,}: a distilled set is smaller")
    layout = layout or _layout(kind, images.shape)
    _check_values(f"{kind}: images", images, MAX_IMAGE_VALUE)
    images = np.moveaxis(images, 1, -1) if layout == "NCHW" else images
    images = images if images.dtype == np.uint8 else images.astype(np.float32, copy=False)
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim not in (1, 2) or len(labels) != len(images):
        raise UserError(f"{kind}: labels are {labels.shape}, allowed is [{len(images)}] or [{len(images)}, k]")
    _check_values(f"{kind}: labels", labels, MAX_LABEL_VALUE)
    return ForeignSet(kind, np.ascontiguousarray(images), labels, layout, step)


def _check_values(name: str, array: np.ndarray, largest: float) -> None:
    """Raise UserError unless all numbers are finite and at most `largest`."""
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)  # nan where one is
    if not -largest <= low <= high <= largest:
        raise UserError(
            f"{name} go from {low:g} to {high:g}, allowed are finite numbers up to {largest:g}: the file is damaged"
        )


def labels_of(foreign: ForeignSet, num_classes: int) -> Labels:
    """Return the labels for regression: centred where they are one-hot or probabilities, else as they were learned.

    Raises:
      UserError: they are of another number of classes.
    """
    labels = foreign.labels.astype(np.float64)
    if labels.ndim == 1:
        if (labels != np.round(labels)).any() or labels.min() < 0 or labels.max() >= num_classes:
            raise UserError(f"{foreign.kind}: labels are not whole numbers from 0 to {num_classes - 1}")
        class_ids = labels.astype(np.int32)
        return Labels(centred_one_hot(class_ids, num_classes), class_ids, "class numbers")
    if labels.shape[1] != num_classes:
        raise UserError(
            f"{foreign.kind}: labels are of {labels.shape[1]} classes, the prepared data have {num_classes}: "
            "give the data set that it was distilled from with --prepared"
        )
    class_ids = labels.argmax(axis=1).astype(np.int32)
    one_hot = centred_one_hot(class_ids, num_classes)
    if np.allclose(labels, one_hot, atol=TOLERANCE):
        return Labels(one_hot, class_ids, "centred one-hot")
    if np.allclose(labels, class_probabilities(one_hot), atol=TOLERANCE):
        return Labels(one_hot, class_ids, "one-hot")
    if labels.min() >= 0 and np.allclose(labels.sum(axis=1), 1, atol=len(labels[0]) * TOLERANCE):
        return Labels(centred(labels), class_ids, "probabilities")
    return Labels(labels, class_ids, "learned")


def _layout(kind: str, shape: tuple[int, ...]) -> Layout:
    last, first = shape[3] in CHANNELS, shape[1] in CHANNELS
    if last == first:
        why = "both axes could be the channels" if last else "no axis has 1, 3 or 4 channels"
        raise UserError(f"{kind}: images are {shape}, {why}: say which with --layout NHWC or --layout NCHW")
    return "NHWC" if last else "NCHW"
