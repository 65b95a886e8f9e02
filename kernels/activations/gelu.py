"""phi(u) = u Phi(u), Phi the normal distribution function. Tsuchida et al. 2021, 2002.08517.

With P = (1 + s^2)(1 + s'^2), r = K / sqrt P, q = sqrt(1 - r^2):
    K_out = K / 4 + (K asin r + (r^2 + s^2 s'^2 q^2) / (q sqrt P)) / 2 pi
    dK_out/dK = 1/4 + (asin r + r / q (1 + (1 / q^2 + 1 - s^2 s'^2) / P)) / 2 pi
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.kernels.activations.dual import Factors


class Gelu:
    """The `Dual` of GELU."""

    @staticmethod
    def apply(u: Array) -> Array:
        return jax.nn.gelu(u, approximate=False)

    @staticmethod
    def factors(std: Array) -> Factors:
        variance = std * std
        return variance, jnp.where(std > 0, jax.lax.rsqrt(1 + variance), 0)

    @staticmethod
    def dual(nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
        variances, scale = row[0] * col[0], row[1] * col[1]
        ratio = nngp * scale
        rest = 1 - ratio * ratio
        root_inverse = jax.lax.rsqrt(rest)
        inside = col[1] > 0
        linear = jnp.where(inside, 0.25 + jnp.arcsin(ratio) / (2 * np.pi), 0)
        if ntk is not None:
            slope = ratio * root_inverse * (1 + scale * scale * (1 / rest + 1 - variances))
            ntk = ntk * (linear + slope / (2 * np.pi))
        return nngp * linear + scale * root_inverse * (ratio * ratio + variances * rest) / (2 * np.pi), ntk
