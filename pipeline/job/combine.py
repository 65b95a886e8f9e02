"""`SumFn`: Beam's `CombineFn` for the sums of the fit. Imports Beam."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, Self

import apache_beam as beam
from etils import epath

from kerneldistill.pipeline.job.failure import reported


class Mergeable(Protocol):
    """A sum whose `merge` is exactly associative and commutative, so that Beam may bundle as it likes."""

    def merge(self, other: Self) -> Self:
        """Add another sum; may reuse the memory of `self`."""
        ...


class SumFn(beam.CombineFn):
    """Measure elements and merge what is measured. An accumulator is None until its first element.

    A scatter is 75 MB at 32x32x3. Beam pickles the elements that it hands on, if only to know their size, so measuring
    in a step before this one would pickle every scatter: here only the sums travel.
    """

    def __init__(self, measure: Callable[[Any], Mergeable], staging: epath.Path) -> None:
        self._measure = measure
        self._staging = staging

    def create_accumulator(self) -> Mergeable | None:
        return None

    def add_input(self, total: Mergeable | None, element: object) -> Mergeable:
        with reported(self._staging):
            part = self._measure(element)
            return part if total is None else total.merge(part)

    def merge_accumulators(self, totals: Iterable[Mergeable | None]) -> Mergeable | None:
        merged = None
        with reported(self._staging):
            for total in totals:
                if total is not None:
                    merged = total if merged is None else merged.merge(total)
        return merged

    def extract_output(self, total: Mergeable | None) -> Mergeable | None:
        return total
