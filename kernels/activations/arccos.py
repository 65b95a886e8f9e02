"""arccos on [0, 1], accurate to the dtype and cheap enough for the innermost loop.

`jnp.arccos` lowers to atan2 and costs about sixty times a polynomial on CPU; it would be most of a kernel entry.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

# acos(u) = sqrt(1 - u) * p(u), |error| <= 2e-8 (Abramowitz & Stegun 4.4.46).
_FLOAT32 = (
    1.5707963050, -0.2145988016, 0.0889789874, -0.0501743046, 0.0308918810, -0.0170881256, 0.0066700901, -0.0012624911,
)  # fmt: skip
# asin(x) = x + x * z * p(z) / q(z) with z = x^2 <= 1/4, to 2^-58 (the rational of FreeBSD's e_asin.c, public domain).
_FLOAT64_P = (
    1.66666666666666657415e-01, -3.25565818622400915405e-01, 2.01212532134862925881e-01,
    -4.00555345006794114027e-02, 7.91534994289814532176e-04, 3.47933107596021167570e-05,
)  # fmt: skip
_FLOAT64_Q = (
    1.0, -2.40339491173441421878e00, 2.02094576023350569471e00, -6.88283971605453293030e-01,
    7.70381505559019352791e-02,
)  # fmt: skip


def arccos_unit(u: Array) -> tuple[Array, Array]:
    """Returns `acos(u)` and `sqrt(1 - u^2)` for `u` in [0, 1] (any shape, float32 or float64).

    Both share `sqrt(1 - u)`, which keeps their relative accuracy as u -> 1, where images are alike.
    """
    if u.dtype == jnp.float32:
        root = jnp.sqrt(1 - u)
        angle = root * _polynomial(_FLOAT32, u)
    else:
        # For u > 1/2: acos u = 2 asin(sqrt((1 - u)/2)), so that the rational is used on z <= 1/4 only.
        near = u > 0.5
        z = jnp.where(near, (1 - u) / 2, u * u)
        root = jnp.sqrt(1 - u)
        x = jnp.where(near, root * np.sqrt(0.5), u)
        arcsine = x + x * z * _polynomial(_FLOAT64_P, z) / _polynomial(_FLOAT64_Q, z)
        angle = jnp.where(near, 2 * arcsine, np.pi / 2 - arcsine)
    return angle, root * jnp.sqrt(1 + u)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    value = jnp.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value
