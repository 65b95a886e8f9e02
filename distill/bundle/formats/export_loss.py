"""What an export loses, measured: kernel ridge regression from what was written, read back.

Two figures for each way of reading a file. *As it is*: images and test images both in the space that the other program
trains in; that is what its user gets. *Whitened again*: the images taken back to pixels and through the bundle's own
whitening, mirror images added where the bundle says so; that is what bits, labels and rounding cost alone.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.scoring import Score, evaluate
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.algorithms.targets import Targets
from kerneldistill.bundle.formats.export_source import ReadBack
from kerneldistill.bundle.formats.foreign_set import labels_of
from kerneldistill.bundle.formats.raw_pixels import raw_test_pixels
from kerneldistill.bundle.reader import Bundle
from kerneldistill.bundle.whitened_space import same_space
from kerneldistill.kernels.engine import Engine
from kerneldistill.pipeline.prepared import Prepared
from kerneldistill.pipeline.split import Split
from kerneldistill.pipeline.whitening.whitener import Whitener


class Scores(NamedTuple):
    """as_it_is: in the space of the other program. whitened_again: in the space of the bundle."""

    as_it_is: Score
    whitened_again: Score


@dataclass(frozen=True, eq=False)
class LossMeter:
    """Scores sets against the test images of the data that a bundle was distilled from.

    bundle: gives the kernel, the ridge and the whitening
    prepared: the data
    tests: how many of the test images, from the first; all if there are fewer
    """

    bundle: Bundle
    prepared: Prepared
    tests: int
    _scores: dict[str, Score] = field(default_factory=dict)
    _targets: dict[str, Targets] = field(default_factory=dict)

    @cached_property
    def _engine(self) -> Engine:
        return engine_of(self.bundle.manifest.kernel, self.bundle.whitener.image_shape)

    @cached_property
    def _pixels(self) -> np.ndarray:
        return raw_test_pixels(self.prepared, self.tests)

    @property
    def count(self) -> int:
        """Test images."""
        return min(self.tests, len(self.prepared.test))

    def before(self) -> Score:
        """Return the bundle itself."""
        whitener, flip = self.bundle.whitener, self.bundle.manifest.flip
        return self._score(self.bundle.images, self.bundle.labels.astype(np.float64), whitener, flip)

    def scores(self, written: ReadBack) -> Scores:
        """Return one way of reading a format.

        Raises:
          UserError: the raw test images are needed and cannot be had.
        """
        labels = labels_of(written.read, self.bundle.labels.shape[1]).values
        images, own = written.read.images, self.bundle.whitener
        pixels = images if images.dtype == np.uint8 else None
        as_it_is = self._score(images if pixels is None else written.space.apply(images), labels, written.space)
        again = images
        if pixels is not None:
            again = own.apply(pixels)
        elif not same_space(written.space, own, self.bundle.probe):
            again = own.apply(written.space.invert(images))
        return Scores(as_it_is, self._score(again, labels, own, self.bundle.manifest.flip))

    def _score(self, images: np.ndarray, labels: np.ndarray, space: Whitener, flip: bool = False) -> Score:
        # Many formats hold the same numbers.
        key = _digest(images, labels, np.frombuffer(f"{_name(space)} {flip}".encode(), np.uint8))
        if key not in self._scores:
            support = regressed(Support(images.astype(self._engine.dtype), labels), flip)
            self._scores[key] = evaluate(self._engine, support, self._test(space), self.bundle.manifest.ridge)
        return self._scores[key]

    def _test(self, space: Whitener) -> Targets:
        name = _name(space)
        if name not in self._targets:
            own = space is self.bundle.whitener
            images = self.prepared.test.images[: self.tests] if own else space.apply(self._pixels)
            split = Split(np.asarray(images), self.prepared.test.labels[: self.tests])
            self._targets[name] = Targets(self._engine, split, self.bundle.labels.shape[1])
        return self._targets[name]


def _name(space: Whitener) -> str:
    return f"{space.kind} {_digest(space.channel_mean, space.channel_std, space.feature_mean, space.W)}"


def _digest(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()
