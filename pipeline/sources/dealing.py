"""`Dealt`: a data set without a test split, of which a part of each class is drawn for test."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.sources.record import BadRecord, Record
from kerneldistill.pipeline.sources.source import Source

# Part of each class that is for test, as `kerneldistill.distill` takes it.
TEST_FRACTION = 0.2


@dataclass(frozen=True, eq=False)
class Dealt(Source):
    """The one split of another source as `train` and `test`.

    whole: the other source
    split: its split
    rows: examples of it that each split holds, ascending
    """

    whole: Source
    split: str
    rows: dict[str, np.ndarray]

    def read(self, split: str, start: int, stop: int) -> Iterator[Record | BadRecord]:
        # A run of examples with gaps is read as a whole: files of some kinds are slow to read one by one.
        rows = self.rows[split][start:stop]
        wanted = set(rows.tolist())
        first, last = int(rows[0]), int(rows[-1])
        for row, record in enumerate(self.whole.read(self.split, first, last + 1), first):
            if row in wanted:
                yield record

    def labels(self, split: str) -> np.ndarray:
        return self.whole.labels(self.split)[self.rows[split]]

    def fingerprint(self, splits: Sequence[str]) -> str:
        rows = [hashlib.sha256(self.rows[split].tobytes()).hexdigest() for split in splits]
        return hashlib.sha256(repr((self.whole.fingerprint([self.split]), splits, rows)).encode()).hexdigest()


def dealt(source: Source, seed: int) -> Source:
    """Deal a source of one split to `train` and `test`, a fifth of each class to the latter."""
    ((split, _),) = source.splits.items()
    for_test = held_out(source.labels(split), TEST_FRACTION, seed)
    rows = {"train": np.flatnonzero(~for_test), "test": np.flatnonzero(for_test)}
    if not len(rows["test"]):
        raise DataError(
            f"the data set {source.name!r} has {len(for_test)} images and no class of two, so no test split can be "
            "taken of it; allowed: two images or more of a class, or a split of its own, named with --data.test-split"
        )
    return Dealt(
        **{name: getattr(source, name) for name in ("name", "version", "file_format", "class_names", "image_shape")},
        splits={name: len(numbers) for name, numbers in rows.items()},
        whole=source,
        split=split,
        rows=rows,
    )


def held_out(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Draw a part of each class: bool [n], of a class of two or more at least one and not all, of a smaller none.

    Args:
      labels: class index, int [n]; below 0 for what is of no class, which is not drawn
      fraction: between 0 and 1
      seed: of the draw
    """
    drawn, rng = np.zeros(len(labels), bool), np.random.default_rng(seed)
    for label in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero(labels == label)
        number = min(len(rows) - 1, max(1, round(fraction * len(rows))))
        drawn[rng.choice(rows, number, replace=False)] = True
    return drawn
