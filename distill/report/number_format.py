"""Numbers as text, the same way in every table of a report."""

from collections.abc import Sequence

from kerneldistill.runtime import text as plain

NONE = "\N{EN DASH}"


def percent(value: float) -> str:
    """Return a part of 1 in per cent."""
    return _joined(plain.percent(value))


def points(value: float) -> str:
    """Return a difference of parts of 1, in percentage points with its sign."""
    return f"{100 * value:+.1f}".replace("-", "\N{MINUS SIGN}")


def spread(values: Sequence[float]) -> str:
    """Return mean and standard deviation of parts of 1, in per cent; of one value that alone."""
    return _joined(plain.mean_percent(values))


def plural(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _joined(words: str) -> str:
    # A number is not parted from its unit at the end of a line.
    return words.replace(" ", "\N{NO-BREAK SPACE}")
