"""phi(u) = u: linear networks."""

import jax.numpy as jnp
from jax import Array

from kerneldistill.kernels.activations.dual import Factors


class Identity:
    """The `Dual` of the identity."""

    @staticmethod
    def apply(u: Array) -> Array:
        return u

    @staticmethod
    def factors(std: Array) -> Factors:
        return (std,)

    @staticmethod
    def dual(nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
        inside = col[0] > 0
        return jnp.where(inside, nngp, 0), None if ntk is None else jnp.where(inside, ntk, 0)
