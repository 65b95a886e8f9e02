"""Dual activations: the covariance after an elementwise function, and the factor it puts on the NTK.

For (u, v) jointly Gaussian with covariance K and standard deviations s, s':
    K_out = E[phi(u) phi(v)],    Theta_out = Theta * E[phi'(u) phi'(v)] = Theta * dK_out/dK.
An activation is a `Dual` and one line in `ACTIVATIONS`, from which its kernel and its finite network are made. Any
other elementwise function works by the expansion of `kerneldistill.kernels.hermite`.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.kernels.arccos import arccos_unit
from kerneldistill.kernels.hermite import Factors, Hermite
from kerneldistill.kernels.safe_math import inverse


class Dual(Protocol):
    """An elementwise function phi and its dual."""

    def apply(self, u: Array) -> Array:
        """phi itself, of any array."""

    def factors(self, std: Array) -> Factors:
        """What `dual` needs of one side, per image and pixel; any shape. Outside the image it gets zeros instead."""

    def dual(self, nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
        """K_out and Theta_out. Both sides' factors broadcast against `nngp`; where `col` is zero both are zero."""


class Relu:
    """phi(u) = max(u, 0). Cho & Saul 2009, eq. 3-6 (arc-cosine kernels of degree 0 and 1)."""

    @staticmethod
    def apply(u: Array) -> Array:
        return jax.nn.relu(u)

    @staticmethod
    def factors(std: Array) -> Factors:
        # Dividing per image and pixel, not per pair: two multiplications replace a square root and a division.
        return std, jax.lax.stop_gradient(inverse(std))

    @staticmethod
    def dual(nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
        return _relu(nngp, ntk, row, col)


class _Angle(NamedTuple):
    cosine: Array
    sine: Array  # sqrt(1 - cosine^2) >= 0
    half_arc: Array  # (pi - acos cosine) / 2 pi, the derivative kernel; 0 outside the image
    scale: Array  # s s'


def _angle(nngp: Array, row: Factors, col: Factors) -> _Angle:
    cosine = nngp * (row[1] * col[1])
    # Equal images have c = 1 up to rounding, and acos turns an error of eps into one of sqrt(2 eps): snap to 1 within
    # the rounding of the sums that made c, which leaves the diagonal of K_ss exact in float32.
    magnitude = jnp.abs(cosine)
    alike = magnitude > 1 - 4 * jnp.finfo(nngp.dtype).eps
    angle, sine = arccos_unit(jnp.where(alike, 1, magnitude))
    half_arc = jnp.where(cosine >= 0, np.pi - angle, angle) / (2 * np.pi)
    return _Angle(cosine, sine, jnp.where(col[1] > 0, half_arc, 0), row[0] * col[0])


@jax.custom_vjp
def _relu(nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
    # s s' k1(c) with c = K / s s', written so that no division is left: (s s' sin + K (pi - acos c)) / 2 pi.
    a = _angle(nngp, row, col)
    return a.scale * a.sine / (2 * np.pi) + nngp * a.half_arc, None if ntk is None else ntk * a.half_arc


def _relu_forward(nngp, ntk, row, col):
    return _relu(nngp, ntk, row, col), (nngp, ntk, row, col)


def _relu_backward(residuals, cotangents):
    """Analytic, because autodiff of acos is infinite at c = 1 (equal images).

    d(s s' k1)/dK = k0, d(s s' k1)/d(s s') = sin / 2 pi; dk0/dc = 1 / (2 pi sin), whose limit along equal images is
    zero, since c stays 1 there. With c = K / (s s') the change of s reaches c by dc = -c ds / s.
    """
    nngp, ntk, row, col = residuals
    g_nngp, g_ntk = cotangents
    a = _angle(nngp, row, col)
    g_scale = g_nngp * a.sine / (2 * np.pi)
    g_input = g_nngp * a.half_arc
    if ntk is not None:
        alike = a.sine == 0
        g_cosine = jnp.where(alike, 0, g_ntk * ntk / (2 * np.pi * jnp.where(alike, 1, a.sine)))
        per_scale = g_cosine * (row[1] * col[1])
        g_input += per_scale
        g_scale -= per_scale * a.cosine
        g_ntk = g_ntk * a.half_arc
    g_row = _unbroadcast(g_scale * col[0], row[0].shape), jnp.zeros_like(row[1])
    g_col = _unbroadcast(g_scale * row[0], col[0].shape), jnp.zeros_like(col[1])
    return g_input, g_ntk, g_row, g_col


_relu.defvjp(_relu_forward, _relu_backward)


class Erf:
    """phi(u) = erf(u). Williams 1997, eq. 11: K_out = 2/pi asin(2K / sqrt((1 + 2 s^2)(1 + 2 s'^2)))."""

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


class Gelu:
    """phi(u) = u Phi(u), Phi the normal distribution function. Tsuchida et al. 2021, 2002.08517.

    With P = (1 + s^2)(1 + s'^2), r = K / sqrt P, q = sqrt(1 - r^2):
        K_out = K / 4 + (K asin r + (r^2 + s^2 s'^2 q^2) / (q sqrt P)) / 2 pi
        dK_out/dK = 1/4 + (asin r + r / q (1 + (1 / q^2 + 1 - s^2 s'^2) / P)) / 2 pi
    """

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
        inverse = jax.lax.rsqrt(rest)
        inside = col[1] > 0
        linear = jnp.where(inside, 0.25 + jnp.arcsin(ratio) / (2 * np.pi), 0)
        if ntk is not None:
            slope = ratio * inverse * (1 + scale * scale * (1 / rest + 1 - variances))
            ntk = ntk * (linear + slope / (2 * np.pi))
        return nngp * linear + scale * inverse * (ratio * ratio + variances * rest) / (2 * np.pi), ntk


class Identity:
    """phi(u) = u: linear networks."""

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


ACTIVATIONS: dict[str, Dual] = {
    "relu": Relu(),
    "erf": Erf(),
    "gelu": Gelu(),
    "identity": Identity(),
    "sin": Hermite(jnp.sin),
    "softplus": Hermite(jax.nn.softplus),
    "tanh": Hermite(jnp.tanh),
}


def dual_of(function: str | Callable[[Array], Array] | Dual) -> Dual:
    """The dual of an activation given by name, as a `Dual`, or as an elementwise JAX function.

    Raises:
      ValueError: the name is unknown, or `function` is none of these.
    """
    if isinstance(function, str):
        if function not in ACTIVATIONS:
            raise ValueError(
                f"unknown activation {function!r}; known: {', '.join(sorted(ACTIVATIONS))}; "
                "or give an elementwise JAX function"
            )
        return ACTIVATIONS[function]
    if hasattr(function, "dual"):
        return function
    if not callable(function):
        raise ValueError(f"an activation is a name or an elementwise JAX function; got {function!r}")
    return Hermite(function)


def _unbroadcast(x: Array, shape: tuple[int, ...]) -> Array:
    axes = tuple(i for i, size in enumerate(shape) if size == 1 and x.shape[i] != 1)
    return jnp.sum(x, axes, keepdims=True) if axes else x
