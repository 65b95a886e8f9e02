"""Targets: a split whose labels are predicted, with what the kernel needs of each image computed once."""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kerneldistill.algorithms.support import centred_one_hot
from kerneldistill.kernels.batching import filled
from kerneldistill.kernels.engine import Engine
from kerneldistill.kernels.features import Features
from kerneldistill.pipeline.split import Split
from kerneldistill.runtime.distributed import collectives


class Chunk(NamedTuple):
    """Some targets on the devices.

    features: of the images, padded to a size that repeats from chunk to chunk
    labels: float64 [t, k] centred one-hot of those that are not padding
    """

    features: Features
    labels: np.ndarray


# Changes images [n, h, w, c], of which the first has this number in the batch.
Change = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Chunks:
    """Targets chunk by chunk, to be gone through once.

    Where several processes work as one, those of this process's share: as many chunks in each, some without labels.

    targets: of which
    support_size: rows that each chunk meets
    rows: [t] which targets, in this order
    change: of their images; None for none
    """

    targets: "Targets"
    support_size: int
    rows: np.ndarray
    change: Change | None

    def __iter__(self) -> Iterator[Chunk]:
        share = collectives.share(len(self.rows))
        size = self.targets.engine.chunk(share.each, self.support_size)
        for start in range(share.start, share.start + share.each, size):
            own = self.rows[start : min(start + size, share.stop)]
            # One shape, one compiled program.
            whole = filled(own if len(own) else self.rows[-1:], size)
            yield self.targets.chunk(own, whole, start, self.change)


class Targets:
    """The images of a split as the columns of kernel blocks.

    Args:
      engine: computes the kernel
      split: images and labels
      num_classes: k
    """

    def __init__(self, engine: Engine, split: Split, num_classes: int) -> None:
        self.engine = engine
        self.split = split
        self.images = split.images.astype(engine.dtype, copy=False)
        self.labels = centred_one_hot(split.labels, num_classes)
        self._stds: tuple[np.ndarray, ...] | None = None

    def __len__(self) -> int:
        return len(self.split)

    def under(self, engine: Engine) -> "Targets":
        """The same images and labels, which are shared, under another kernel of the same precision."""
        other = copy(self)
        other.engine, other._stds = engine, None
        return other

    def chunks(self, support_size: int, rows: np.ndarray | None = None, change: Change | None = None) -> Chunks:
        """All targets, or those of `rows` [t], chunk by chunk in order; with `change`, images so changed."""
        return Chunks(self, support_size, np.arange(len(self)) if rows is None else rows, change)

    def chunk(self, own: np.ndarray, whole: np.ndarray, first: int, change: Change | None) -> Chunk:
        """The labels of the targets `own`, and the features of `whole`, the same and padding.

        first: number of the first in the batch, for `change`
        """
        images = self.images[whole]
        if change is None:
            stds = tuple(std[whole] for std in self._all_stds())
            placed = self.engine.place(Features(images, stds))
        else:  # the deviations of these images are not those that were computed once
            placed = self.engine.columns(change(images, first))
        return Chunk(placed, self.labels[own])

    def _all_stds(self) -> tuple[np.ndarray, ...]:
        """Standard deviations of every image, computed once, in blocks that do not depend on what is asked for."""
        if self._stds is None:
            size = self.engine.chunk(len(self), 1)
            kept: tuple[np.ndarray, ...] = ()
            for start in range(0, len(self), size):
                block = self.engine.stds(self.images[start : start + size], padded_to=size)
                # Filled in place: all blocks beside their concatenation would be twice the memory.
                kept = kept or tuple(np.empty((len(self), *std.shape[1:]), std.dtype) for std in block)
                for whole, std in zip(kept, block, strict=True):
                    whole[start : start + len(std)] = std
            self._stds = kept
        return self._stds
