"""phi(u) = a min(u, 0) + b max(u, 0): leaky ReLU and the absolute value.

With phi(u) = a u + (b - a) relu(u) and E[u relu(v)] = K / 2, both of phi's kernels are a b times the identity's plus
(b - a)^2 times ReLU's. (`ABRelu` of google/neural-tangents, stax.)
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from kerneldistill.kernels.activations.dual import Factors
from kerneldistill.kernels.activations.relu import Relu


@dataclass(frozen=True)
class AbRelu:
    """The `Dual` of a function with slope a below zero and b above."""

    a: float
    b: float

    def apply(self, u: Array) -> Array:
        """Compute phi itself."""
        return jnp.where(u < 0, self.a * u, self.b * u)

    def factors(self, std: Array) -> Factors:
        """See `Relu`."""
        return Relu.factors(std)

    def dual(self, nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
        """See `Dual.dual`."""
        # Outside the image ReLU's kernels are zero, and so must be what is added to them.
        linear = jnp.where(col[1] > 0, jnp.asarray(self.a * self.b, nngp.dtype), 0)
        bent = (self.b - self.a) ** 2
        relu, tangent = Relu.dual(nngp, ntk, row, col)
        value = linear * nngp + bent * relu
        return value, None if ntk is None or tangent is None else linear * ntk + bent * tangent
