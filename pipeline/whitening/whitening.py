"""`Whitening`: one kind of whitening, with what it must be fitted to and how; `whitening_of` finds one by its name.

Letters: n images of h x w pixels and c channels, d = h * w * c features.
"""

import abc
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar

import numpy as np

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.whitening.moments import ChannelMoments, Features, Scatter
from kerneldistill.pipeline.whitening.registry import WHITENINGS
from kerneldistill.pipeline.whitening.whitener import Whitener


@dataclass(frozen=True, eq=False)
class Sums:
    """What the training images sum to.

    image_shape: (h, w, c)
    num_train: images summed
    fingerprint: hex digest of the data and the configuration, for the whitener to keep
    moments: pixel values of each channel; None where `passes` is 0
    scatter: sum of x x^T over the `features` x; None where `passes` is below 2
    """

    image_shape: tuple[int, int, int]
    num_train: int
    fingerprint: str
    moments: ChannelMoments | None = None
    scatter: Scatter | None = None


class Whitening(abc.ABC):
    """A kind of whitening: how a `Whitener` of its kind is fitted. Subclass it in a module named like the kind.

    A `Whitener` standardises channels, may bring each image to mean 0 and length 1, and multiplies by a matrix: `fit`
    chooses these numbers, and `Whitener.apply` and `invert` then work without another line.

    name: of the kind, as in `DataConfig.whiten`
    summary: the space in words, for a reader who has its images in hand
    passes: how often the training images are read: 0; 1 for `Sums.moments`; 2 for `Sums.scatter`, too
    is_zca: whether a matrix mixes the features; `zca_reg` and `zca_block` then apply
    forgets_scale: whether `apply` drops the mean and the length of each image
    keeps_channels: whether `channel_mean` and `channel_std` of the whitener are those of the data
    used_by: programs that learn images in this space: `kip`, `kornia` (MTT, DATM, DD-Ranking with its ZCA)
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    passes: ClassVar[int]
    is_zca: ClassVar[bool] = False
    forgets_scale: ClassVar[bool] = False
    keeps_channels: ClassVar[bool] = False
    used_by: ClassVar[tuple[str, ...]] = ()

    def check(self, image_shape: tuple[int, int, int], block: int) -> None:
        """Check that images [h, w, c], cut into blocks of `block` pixels a side (0: not cut), can be whitened.

        Raises:
          DataError: they cannot; with the blocks that would do.
        """
        del image_shape
        if block:
            raise DataError(f"data.zca_block is {block}, of whiten = {self.name!r}; allowed: 0")

    def features(self, images: np.ndarray, moments: ChannelMoments) -> Features:
        """Return uint8 images [n, h, w, c] as the rows that `Sums.scatter` sums over; needed only where `passes` is 2.

        Keep every entry within -1..1: the sum is in fixed point.
        """
        raise NotImplementedError(f"{self.name} needs no scatter")

    @abc.abstractmethod
    def fit(self, sums: Sums, reg: float, block: int) -> Whitener:
        """Fit the whitener.

        Args:
          sums: over the training images
          reg: ridge of a ZCA
          block: side in pixels of the blocks that a ZCA whitens apart; 0: the image is one block

        Raises:
          DataError: the images are too few, or their covariance is singular.
        """


def whitening_of(kind: str) -> Whitening:
    """Find a kind of whitening by its name.

    Raises:
      DataError: there is no such kind.
    """
    if kind not in WHITENINGS:
        raise DataError(f"whiten is {kind!r}; allowed: {', '.join(WHITENINGS)}")
    return import_module(f"kerneldistill.pipeline.whitening.{kind}").WHITENING
