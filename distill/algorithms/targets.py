"""Targets: a split whose labels are predicted, with what the kernel needs of each image computed once."""

from collections.abc import Callable, Iterator, Sized
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerneldistill.algorithms.kept_features import KeptFeatures
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.kernels.batching import filled
from kerneldistill.kernels.engine import Engine, TargetStore
from kerneldistill.kernels.feature_engine import CHUNK, FeatureEngine
from kerneldistill.pipeline.split import Split
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.once import once


class Chunk(NamedTuple):
    """Some targets on the devices.

    features: of the images, padded to a size that repeats from chunk to chunk
    labels: float64 [t, k] centred one-hot of those that are not padding
    class_ids: int [t] of the same
    """

    features: Sized
    labels: np.ndarray
    class_ids: np.ndarray


# Changes images [n, h, w, c], of which the first has this number in the batch.
Change = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Chunks:
    """Targets, chunk by chunk, for one pass.

    Of several processes each has its shard: as many chunks in each, some without labels.

    targets: of which
    support_size: rows that each chunk meets
    rows: [t] which targets, in this order
    change: of their images; None for none
    chunk: size of the chunks in which so many targets meet so many rows; None: the engine's
    first: chunks of each process that are left out
    """

    targets: "Targets"
    support_size: int
    rows: np.ndarray
    change: Change | None
    chunk: Callable[[int, int], int] | None = None
    first: int = 0

    def __len__(self) -> int:
        return -(-collectives.shard(len(self.rows)).each // self._size) - self.first

    def __iter__(self) -> Iterator[Chunk]:
        shard, size = collectives.shard(len(self.rows)), self._size
        for start in range(shard.start + self.first * size, shard.start + shard.each, size):
            own = self.rows[start : min(start + size, shard.stop)]
            # One shape, one compiled program.
            padded = filled(own if len(own) else self.rows[-1:], size)
            yield self.targets.chunk(padded, len(own), start, self.change)

    @property
    def _size(self) -> int:
        """Targets of a chunk."""
        each = collectives.shard(len(self.rows)).each
        return (self.chunk or self.targets.engine.chunk)(each, self.support_size)


class Targets:
    """The images of a split, whose kernel with a support an engine computes.

    Args:
      engine: computes the kernel
      split: images and labels
      num_classes: k
      images: those of the split in the engine's precision, where there are some already
      folder: where features of an encoder are kept, if the kernel is made of them; None keeps them in memory
    """

    def __init__(
        self,
        engine: Engine,
        split: Split,
        num_classes: int,
        images: np.ndarray | None = None,
        folder: Path | None = None,
    ) -> None:
        self.engine = engine
        self.split = split
        self.images = (split.images if images is None else images).astype(engine.dtype, copy=False)
        self.num_classes = num_classes
        self._folder = folder
        self._taken = False

    def __len__(self) -> int:
        return len(self.split)

    def with_engine(self, engine: Engine) -> "Targets":
        """The same targets under another kernel; they share the images if it has the same precision."""
        return Targets(engine, self.split, self.num_classes, self.images, self._folder)

    def chunks(
        self,
        support_size: int,
        rows: np.ndarray | None = None,
        change: Change | None = None,
        chunk: Callable[[int, int], int] | None = None,
    ) -> Chunks:
        """Yield all targets, or those of `rows` [t], in order and in chunks, their images augmented by `change`.

        chunk: see `Chunks`
        """
        if chunk is None and change is None and isinstance(self.engine, FeatureEngine):
            chunk = _at_hand
        return Chunks(self, support_size, np.arange(len(self)) if rows is None else rows, change, chunk)

    def chunk(self, rows: np.ndarray, count: int, first: int, change: Change | None) -> Chunk:
        """Put the targets `rows` on the devices; those after the first `count` are padding.

        first: number of the first in the batch, for `change`
        """
        if change is None:
            # What it keeps of all images it computes for the first.
            what = "features" if isinstance(self.engine, FeatureEngine) else "standard deviations"
            with nullcontext() if self._taken else once(f"{what} of the images"):
                features = self._store.take(rows)
            self._taken = True
        else:  # what is kept of these images does not hold for changed ones
            features = self.engine.target_features(change(self.images[rows], first))
        targets = rows[:count]
        classes = self.split.labels[targets]
        # Made for each chunk: of 50,000 targets in 1,000 classes they would take 400 MB.
        return Chunk(features, centred_one_hot(classes, self.num_classes), classes)

    @cached_property
    def _store(self) -> TargetStore:
        if isinstance(self.engine, FeatureEngine) and self._folder is not None:
            return KeptFeatures(self.engine, self.engine.identity, self.images, self._folder)
        return self.engine.target_store(self.images)


def _at_hand(targets: int, support: int) -> int:
    """The size of chunks of targets whose features are at hand."""
    return -(-targets // -(-targets // CHUNK))
