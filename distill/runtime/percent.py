"""Parts of 1 in per cent, as every table and line on a terminal shows them."""

from collections.abc import Sequence

import numpy as np


def percent(value: float) -> str:
    """A part of 1 in per cent: `95.8 %`."""
    return f"{100 * value:.1f} %"


def mean_percent(values: Sequence[float]) -> str:
    """Mean and standard deviation of parts of 1, in per cent: `61.2 ± 4.3 %`; of one value that alone."""
    mean = percent(float(np.mean(values)))
    return mean.replace(" %", f" ± {100 * float(np.std(values)):.1f} %") if len(values) > 1 else mean
