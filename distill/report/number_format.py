"""Numbers as text, the same way in every table."""

from collections.abc import Sequence

import numpy as np

NONE = "\N{EN DASH}"
# A number is not parted from its unit at the end of a line.
_JOIN = "\N{NO-BREAK SPACE}"


def percent(value: float) -> str:
    """A part of 1 in per cent."""
    return f"{100 * value:.1f}{_JOIN}%"


def points(value: float) -> str:
    """A difference of parts of 1, in percentage points with its sign."""
    return f"{100 * value:+.1f}".replace("-", "\N{MINUS SIGN}")


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation of parts of 1, in per cent; of one value that alone."""
    mean = 100 * float(np.mean(values))
    return f"{mean:.1f}{_JOIN}±{_JOIN}{100 * np.std(values):.1f}{_JOIN}%" if len(values) > 1 else percent(mean / 100)


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
