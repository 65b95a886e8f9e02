"""`MergeFn`: Beam's `CombineFn` for the sums of the fit. Imports Beam."""

import copy
from collections.abc import Iterable
from typing import Protocol, Self

import apache_beam as beam
from etils import epath

from kerneldistill.pipeline.job.failure import reported


class Mergeable(Protocol):
    """A sum whose `merge` is exactly associative and commutative, so that Beam may bundle as it likes."""

    def merge(self, other: Self) -> Self:
        """Add another sum; may reuse the memory of `self`."""
        ...


class MergeFn(beam.CombineFn):
    """Merge sums into one. An accumulator is None until its first sum: zeros would be 75 MB at 32x32x3."""

    def __init__(self, staging: epath.Path) -> None:
        self._staging = staging

    def create_accumulator(self) -> Mergeable | None:
        return None

    def add_input(self, total: Mergeable | None, part: Mergeable) -> Mergeable:
        # Beam owns its elements; `merge` may write into the total.
        return copy.deepcopy(part) if total is None else self._merge(total, part)

    def merge_accumulators(self, totals: Iterable[Mergeable | None]) -> Mergeable | None:
        merged = None
        for total in totals:
            if total is not None:
                merged = total if merged is None else self._merge(merged, total)
        return merged

    def extract_output(self, total: Mergeable | None) -> Mergeable | None:
        return total

    def _merge(self, total: Mergeable, part: Mergeable) -> Mergeable:
        with reported(self._staging):
            return total.merge(part)
