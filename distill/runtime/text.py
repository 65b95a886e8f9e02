"""Figures and columns as plain text, the same in every table and on every line."""

from collections.abc import Mapping, Sequence


def columns(rows: Mapping[str, str]) -> str:
    """Write `rows` as lines of two columns, the right one aligned."""
    width = max(map(len, rows))
    return "\n".join(f"  {left:<{width}}  {right}" for left, right in rows.items())


def percent(value: float) -> str:
    """Write a part of 1 in per cent: `95.8 %`."""
    return f"{100 * value:.1f} %"


def gigabytes(count: int) -> str:
    """Write bytes for a person: `431 MB`, `1.23 GB`."""
    return f"{count / 1e6:.0f} MB" if count < 999_500_000 else f"{count / 1e9:.2f} GB"


def mean_percent(values: Sequence[float]) -> str:
    """Write mean and standard deviation of parts of 1 in per cent: `61.2 ± 4.3 %`; the mean alone of one value."""
    import numpy as np

    mean = percent(float(np.mean(values)))
    return mean.replace(" %", f" ± {100 * float(np.std(values)):.1f} %") if len(values) > 1 else mean
