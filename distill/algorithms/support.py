"""The support: the small set that is learned."""

from typing import Literal, NamedTuple

import numpy as np

from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.pipeline.split import Split

# How the labels of a set came about.
LabelMode = Literal["fixed", "learned", "label_solve"]


class Support(NamedTuple):
    """A learned or drawn set.

    images: [s, h, w, c] whitened pixels, in the dtype of the kernel
    labels: float64 [s, k] centred one-hot, learned, or solved for
    """

    images: np.ndarray
    labels: np.ndarray


def regressed(support: Support, flip: bool) -> Support:
    """What the regression is from: the support, or with `flip` it and then its mirror images, labels repeated."""
    if not flip:
        return support
    mirrored = support.images[:, :, ::-1]
    return Support(np.concatenate([support.images, mirrored]), np.concatenate([support.labels] * 2))


def unflipped(images: np.ndarray, labels: np.ndarray) -> Support:
    """Pulls a gradient by a doubled support's images [2s, h, w, c] and labels [2s, k] back to the s it was made of."""
    size = len(images) // 2
    return Support(images[:size] + images[size:, :, ::-1], labels[:size] + labels[size:])


def real_support(split: Split, rows: np.ndarray, num_classes: int, dtype: np.dtype) -> Support:
    """The images `rows` [s] of a split, in `dtype`, with centred one-hot labels."""
    return Support(split.images[rows].astype(dtype), centred_one_hot(split.labels[rows], num_classes))
