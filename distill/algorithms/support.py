"""The support: the small set that is learned, and where it begins."""

from typing import Literal, NamedTuple

import numpy as np

from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.pipeline.split import Split

# How the labels of a set came about.
LabelMode = Literal["fixed", "learned", "label_solve"]

# The start of an image that began as no image of the training split, or whose start is not known.
NO_START = -1


class Support(NamedTuple):
    """A small set that stands for a large one.

    images: [s, h, w, c] whitened pixels, in the dtype of the kernel
    labels: float64 [s, k] centred one-hot, learned, or solved for
    """

    images: np.ndarray
    labels: np.ndarray


# Of a mean of labels, in float64.
_ROUNDING = 1e-12


class Start(NamedTuple):
    """Where a support begins.

    support: images, class-major, with their labels
    init_indices: int64 [s] row of the prepared train split each image is; NO_START where it is none of it
    class_ids: int32 [s] class of each
    """

    support: Support
    init_indices: np.ndarray
    class_ids: np.ndarray

    def label_mode(self, labels: np.ndarray) -> LabelMode:
        """Tell learned labels [s, k] from the one-hot ones of this start by their values, but for rounding."""
        fixed = np.allclose(labels, centred_one_hot(self.class_ids, labels.shape[1]), rtol=0, atol=_ROUNDING)
        return "fixed" if fixed else "learned"


def regressed(support: Support, flip: bool) -> Support:
    """What to regress from: the support, or with `flip` the support and then its mirror images, labels repeated."""
    if not flip:
        return support
    mirrored = support.images[:, :, ::-1]
    return Support(np.concatenate([support.images, mirrored]), np.concatenate([support.labels] * 2))


def unflipped(images: np.ndarray, labels: np.ndarray) -> Support:
    """Pull a gradient by a doubled support's images [2s, h, w, c] and labels [2s, k] back to the s it was made of."""
    size = len(images) // 2
    return Support(images[:size] + images[size:, :, ::-1], labels[:size] + labels[size:])


def real_support(split: Split, rows: np.ndarray, num_classes: int, dtype: np.dtype) -> Support:
    """Take the images `rows` [s] of a split, in `dtype`, with centred one-hot labels."""
    return Support(split.images[rows].astype(dtype), centred_one_hot(split.labels[rows], num_classes))
