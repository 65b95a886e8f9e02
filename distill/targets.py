"""Targets: a split whose labels are predicted, with what the kernel needs of each image computed once."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from distill.support import centred_one_hot
from kernels.engine import Engine
from kernels.features import Features
from kernels.group import filled
from pipeline.split import Split


class Chunk(NamedTuple):
    """Some targets on the devices.

    features: of the images, padded to a size that repeats from chunk to chunk
    labels: float64 [t, k] centred one-hot of those that are not padding
    """

    features: Features
    labels: np.ndarray


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

    def chunks(self, support_size: int, rows: np.ndarray | None = None) -> Iterator[Chunk]:
        """All targets, or those of `rows` [t], chunk by chunk in order."""
        rows = np.arange(len(self)) if rows is None else rows
        stds = self._all_stds()
        size = self.engine.chunk(len(rows), support_size)
        for start in range(0, len(rows), size):
            own = rows[start : start + size]
            # One shape, one compiled program.
            whole = filled(own, size)
            placed = self.engine.place(Features(self.images[whole], tuple(std[whole] for std in stds)))
            yield Chunk(placed, self.labels[own])

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
