"""Parse which examples a split means: `train`, `train[:80%]`, `train[100:200]+extra`."""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kerneldistill.pipeline.errors import DataError

_PART = re.compile(r"(?P<split>[^\[\]+]+)(\[(?P<start>\d+%?)?:(?P<stop>\d+%?)?\])?")


class Range(NamedTuple):
    """Examples start..stop-1 of a split of the source.

    split: name of the source split
    start: first example
    stop: one past the last example
    """

    split: str
    start: int
    stop: int


def parse(text: str, sizes: Mapping[str, int], source: str) -> tuple[Range, ...]:
    """Parse split names with `[start:stop]`, in examples or %, joined by `+`; keep their order.

    Args:
      text: as in the configuration
      sizes: number of examples by split name
      source: what to call the source in messages

    Raises:
      DataError: there is no such split, or a range is empty or goes past its end.
    """
    ranges = []
    for part in text.split("+"):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise DataError(f"split {text!r} is not understood; allowed: name, name[start:stop], joined by +")
        split = match["split"].strip()
        if split not in sizes:
            raise DataError(f"{source} has no split {split!r}; it has: {', '.join(sizes)}")
        size = sizes[split]
        start, stop = _place(match["start"] or "0", size), _place(match["stop"] or "100%", size)
        if not start < stop <= size:
            raise DataError(f"split {part.strip()!r} of {source} is examples {start} to {stop}; allowed: 0 to {size}")
        ranges.append(Range(split, start, stop))
    return tuple(ranges)


def check_disjoint(train: Sequence[Range], test: Sequence[Range], source: str) -> None:
    """Raise DataError if an example is in both, or twice in one."""
    ranges = sorted([*train, *test])
    for left, right in itertools.pairwise(ranges):
        if left.split == right.split and right.start < left.stop:
            raise DataError(
                f"examples {right.start} to {min(left.stop, right.stop) - 1} of {left.split} of {source} are taken "
                "twice by train_split and test_split; allowed: once each, or test images would be trained on"
            )


def _place(text: str, size: int) -> int:
    if text.endswith("%"):
        return int(text[:-1]) * size // 100
    return int(text)
