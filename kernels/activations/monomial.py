"""phi(u) = u^n, whose expansion in Hermite polynomials (`hermite`) ends: over j = n, n - 2, ..., with m = (n - j) / 2,

K_out = sum of a_j^2 (s s')^(n - j) K^j,    a_j = n! / (m! 2^m sqrt(j!)).
"""

import math
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from kerneldistill.kernels.activations.dual import Factors


@dataclass(frozen=True)
class Monomial:
    """The `Dual` of a power.

    degree: n, from 1 up

    Raises:
      ValueError: for another degree.
    """

    degree: int

    def __post_init__(self) -> None:
        if self.degree < 1:
            raise ValueError(f"a monomial has a degree of at least 1; got {self.degree}")

    def apply(self, u: Array) -> Array:
        """Compute phi itself."""
        return u**self.degree

    def factors(self, std: Array) -> Factors:
        """The variance, and 1 inside the image."""
        return std * std, jnp.ones_like(std)

    def dual(self, nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
        """The derivative of u^n is n u^(n - 1)."""
        value = self._covariance(self.degree, nngp, row, col)
        if ntk is None:
            return value, None
        return value, ntk * self.degree**2 * self._covariance(self.degree - 1, nngp, row, col)

    def _covariance(self, degree: int, nngp: Array, row: Factors, col: Factors) -> Array:
        """The kernel of a power; (s s')^(n - j) is a power of the variances, as n - j is even."""
        variances, square = row[0] * col[0], nngp * nngp
        total, power = jnp.zeros_like(nngp), row[1] * col[1] * (nngp if degree % 2 else jnp.ones_like(nngp))
        for j in range(degree % 2, degree + 1, 2):
            half = (degree - j) // 2
            weight = math.factorial(degree) ** 2 / (math.factorial(half) ** 2 * 4**half * math.factorial(j))
            total = total + weight * power * variances**half
            power = power * square
        return total
