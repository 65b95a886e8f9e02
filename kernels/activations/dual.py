"""Dual activations: the covariance after an elementwise function, and the factor it puts on the NTK.

For (u, v) jointly Gaussian with covariance K and standard deviations s, s':
    K_out = E[phi(u) phi(v)],    Theta_out = Theta * E[phi'(u) phi'(v)] = Theta * dK_out/dK.
"""

from typing import Protocol, runtime_checkable

from jax import Array

Factors = tuple[Array, ...]


@runtime_checkable
class Dual(Protocol):
    """An elementwise function phi and its dual."""

    def apply(self, u: Array) -> Array:
        """Compute phi itself, of any array."""
        ...

    def factors(self, std: Array) -> Factors:
        """Compute what `dual` needs of one side, per image and pixel; any shape.

        `dual` gets zeros in place of these outside the image.
        """
        ...

    def dual(self, nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
        """Compute K_out and Theta_out; where `col` is zero, both are zero.

        Both sides' factors broadcast against `nngp`. Treat the entries as independent scalars: no sums, no shapes.
        """
        ...
