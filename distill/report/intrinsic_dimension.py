"""The intrinsic dimension of a set of points, from the distances to their two nearest neighbours.

On a manifold of dimension d that is evenly filled at the scale of neighbours, the ratio mu = r2 / r1 of the distances
to a point's second and first neighbour follows P(mu > x) = x^-d (Facco et al. 2017, Scientific Reports 7, 12140),
so log mu is exponential with rate d. Facco et al. leave out the tenth of largest ratios, which suffer most where the
density changes, and fit a line; here the rate is that of the censored sample (Epstein and Sobel 1953), which uses the
same ratios and has an exact interval: with the m smallest of n logarithms x,
    total = x_1 + ... + x_m + (n - m) x_m,    d = (m - 1) / total,    d total ~ Gamma(m).
KIP's learned images have a higher dimension than the images they began as (2107.13034, section 4).
"""

from typing import NamedTuple

import numpy as np
from scipy import special
from scipy.spatial import distance

KEPT = 0.9
LEVEL = 0.95
# Below, the interval spans a factor of ten and more.
LEAST_POINTS = 5


class Dimension(NamedTuple):
    """An intrinsic dimension.

    value: unbiased where the ratios are independent
    low, high: interval that holds it with probability `LEVEL`, the ratios taken as independent
    points: ratios it is from; a point that has a copy gives none
    """

    value: float
    low: float
    high: float
    points: int


def intrinsic_dimension(points: np.ndarray) -> Dimension | None:
    """Return the dimension of points [n, ...] under the Euclidean distance; None if fewer than five have no copy."""
    if len(points) < LEAST_POINTS:
        return None
    flat = np.asarray(points, np.float64).reshape(len(points), -1)
    apart = distance.squareform(distance.pdist(flat))
    np.fill_diagonal(apart, np.inf)
    first, second = np.partition(apart, 1, axis=1)[:, :2].T
    return dimension_of_ratios(second[first > 0] / first[first > 0])


def dimension_of_ratios(ratios: np.ndarray) -> Dimension | None:
    """Return the dimension from ratios [n] of second to first distances; None for under five, or if all are 1."""
    if len(ratios) < LEAST_POINTS:
        return None
    logs = np.sort(np.log(ratios))
    used = int(np.ceil(KEPT * len(logs)))
    total = logs[:used].sum() + (len(logs) - used) * logs[used - 1]
    if total <= 0:
        return None
    tail = (1 - LEVEL) / 2
    low, high = special.gammaincinv(used, (tail, 1 - tail)) / total
    return Dimension(float((used - 1) / total), float(low), float(high), len(logs))
