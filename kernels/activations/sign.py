"""phi(u) = sign(u): K_out = 2/pi asin(K / s s'), and a tangent kernel of zero, since sign is flat almost everywhere.

Networks of it train their last layer alone. (`Sign` of google/neural-tangents, stax.)
"""

import jax.numpy as jnp
from jax import Array

from kerneldistill.kernels.activations.dual import Factors
from kerneldistill.kernels.activations.relu import Relu


class Sign:
    """The `Dual` of the sign."""

    @staticmethod
    def apply(u: Array) -> Array:
        return jnp.sign(u)

    @staticmethod
    def factors(std: Array) -> Factors:
        return Relu.factors(std)

    @staticmethod
    def dual(nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
        # ReLU's tangent factor is (pi - acos c) / 2 pi, with c snapped to 1 and a gradient that is finite there.
        half_arc = Relu.dual(nngp, jnp.ones_like(nngp), row, col)[1]
        assert half_arc is not None
        inside = (row[1] > 0) & (col[1] > 0)
        return jnp.where(inside, 4 * half_arc - 1, 0), None if ntk is None else jnp.zeros_like(ntk)
