"""Least squares over more rows than are held at a time, or in one process, by triangles (a sequential TSQR)."""

from typing import Any, NamedTuple

import numpy as np
from scipy import linalg

from kerneldistill.runtime.distributed import collectives


class LeastSquares(NamedTuple):
    """The minimiser of |A x - b|^2 + (cutoff s_0)^2 |x|^2, s_0 the largest singular value of A [n, p].

    solution: [p, k]
    inverse: [p, p] of A'A with that ridge; A inverse A' projects on what A can predict
    """

    solution: np.ndarray
    inverse: np.ndarray


def least_squares(design: np.ndarray, right: np.ndarray, cutoff: float) -> LeastSquares:
    """Solve over the rows of all processes, of which `design` [n, p] and `right` [n, k] are this one's.

    cutoff: relative to the largest singular value; directions below it count for little
    """
    size = design.shape[1]
    own = triangle_of(np.zeros((size + right.shape[1],) * 2), np.concatenate([design, right], axis=1))
    triangle = triangle_of(*collectives.all_gather(own))
    left, values, rows = linalg.svd(triangle[:size, :size])
    squares = values**2 + (cutoff * values[0]) ** 2
    solution = rows.T @ ((values / squares)[:, None] * (left.T @ triangle[:size, size:]))
    # Other processors may round otherwise: all go on with the bits of one.
    return LeastSquares(*collectives.broadcast((solution, (rows.T / squares) @ rows)))


def triangle_of(*parts: np.ndarray) -> np.ndarray:
    """The triangle R [n, n] of parts [t_i, n] of a matrix, one under the other, at least n rows in all."""
    whole = np.concatenate(parts)
    factors: Any = linalg.qr(whole, mode="r")
    return factors[0][: whole.shape[1]]
