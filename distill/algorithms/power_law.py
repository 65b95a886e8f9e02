"""Power laws y = factor x^-exponent, with an interval: of a kernel's spectrum, and of errors against sizes.

Least squares of log y on log x; where what is left is normal and independent, the exponent lies within t deviations of
its standard error with probability `LEVEL`, t of Student's distribution with two degrees fewer than points.

For kernel regression the two are one: eigenvalues that fall as index^-(1 + a) make errors that fall as size^-a (Bahri
et al. 2021, 2102.06701, section 2.3.1).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, stats

LEVEL = 0.95
# Two determine a line, and tell nothing of how well it fits.
LEAST_POINTS = 3
# Eigenvalues below this part of the largest are rounding of a float32 kernel.
_ROUNDING = 1e-7


@dataclass(frozen=True)
class PowerLaw:
    """A fit of y = factor x^-exponent.

    exponent: by least squares
    low, high: interval that holds it with probability `LEVEL`
    factor: y at x = 1
    points: it is fitted to
    """

    exponent: float
    low: float
    high: float
    factor: float
    points: int

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return y at x [n], float64 [n]."""
        return self.factor * np.asarray(x, np.float64) ** -self.exponent


def power_law(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> PowerLaw | None:
    """Fit a power law to points x, y [n] above 0; None where fewer than three x differ."""
    if len(np.unique(x)) < LEAST_POINTS:
        return None
    fit: Any = stats.linregress(np.log(np.asarray(x, np.float64)), np.log(np.asarray(y, np.float64)))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(x) - 2)) * float(fit.stderr)
    exponent = -float(fit.slope)
    return PowerLaw(exponent, exponent - half, exponent + half, math.exp(float(fit.intercept)), len(x))


def spectrum_law(k_ss: np.ndarray) -> PowerLaw | None:
    """Fit a power law to the eigenvalues of a kernel [s, s] by their index, the largest first, which has index 1.

    The largest is left out: it is of what all images share. None where fewer than three are left.
    """
    values = linalg.eigvalsh(k_ss)[::-1]
    kept = np.flatnonzero(values > _ROUNDING * values[0])[1:]
    return power_law(kept + 1.0, values[kept])
