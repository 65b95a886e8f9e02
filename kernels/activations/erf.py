"""phi(u) = erf(u). Williams 1997, eq. 11: K_out = 2/pi asin(2K / sqrt((1 + 2 s^2)(1 + 2 s'^2)))."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.kernels.activations.dual import Factors


class Erf:
    """The `Dual` of erf."""

    @staticmethod
    def apply(u: Array) -> Array:
        return jax.lax.erf(u)

    @staticmethod
    def factors(std: Array) -> Factors:
        return (jnp.where(std > 0, jax.lax.rsqrt(1 + 2 * std * std), 0),)

    @staticmethod
    def dual(nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
        scale = 2 * row[0] * col[0]
        sine = nngp * scale
        if ntk is not None:
            ntk = ntk * (2 / np.pi) * scale * jax.lax.rsqrt(1 - sine * sine)
        return 2 / np.pi * jnp.arcsin(sine), ntk
