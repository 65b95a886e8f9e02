"""`Digits`: scikit-learn's bundled handwritten digits. 1,797 images of 8x8, no file, no network."""

import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.sources.record import Record
from kerneldistill.pipeline.sources.shape import wanted_shape
from kerneldistill.pipeline.sources.source import Source

_VERSION = "1.0.0"
_NUM_TRAIN = 1437
# The bundled order is by writer: without a permutation train and test would hold different hands.
_PERMUTATION_SEED = 0


@dataclass(frozen=True)
class Digits(Source):
    """UCI's optical digits test set, in a fixed permutation: 1,437 train and 360 test images."""

    def read(self, split: str, start: int, stop: int) -> Iterator[Record]:
        images, labels, order = _load()
        offset = 0 if split == "train" else _NUM_TRAIN
        for index in order[offset : offset + self.num_examples(split)][start:stop]:
            yield Record(f"digits/{index:04d}", images[index], int(labels[index]))

    def fingerprint(self, splits: Sequence[str]) -> str:
        images, labels, order = _load()
        digest = hashlib.sha256()
        for array in (images, labels.astype(np.int64), order.astype(np.int64)):
            digest.update(array.tobytes())
        digest.update(repr(tuple(splits)).encode())
        return digest.hexdigest()


def open_source(config: DataConfig) -> Digits:
    """Make the source; nothing is read yet. Raises DataError for a version or a size that it cannot have."""
    if config.version not in (None, _VERSION):
        raise DataError(f"digits has no version {config.version}; there is only {_VERSION}")
    return Digits(
        name="digits",
        version=_VERSION,
        file_format="embedded",
        class_names=tuple(str(digit) for digit in range(10)),
        image_shape=wanted_shape(config, (8, 8, 1), "digits"),
        splits={"train": _NUM_TRAIN, "test": 1797 - _NUM_TRAIN},
    )


@functools.cache
def _load() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Load images uint8 [1797, 8, 8, 1], labels [1797], and the order [1797] that deals them to train and test."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    return images, bunch.target, np.random.default_rng(_PERMUTATION_SEED).permutation(len(images))
