"""phi(u) = max(u, 0). Cho & Saul 2009, eq. 3-6 (arc-cosine kernels of degree 0 and 1)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.kernels.activations.arccos import arccos_unit
from kerneldistill.kernels.activations.dual import Factors
from kerneldistill.kernels.safe_math import inverse

_Answer = tuple[Array, Array | None]
_Given = tuple[Array, Array | None, Factors, Factors]


class Relu:
    """The `Dual` of ReLU."""

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


def _relu_forward(nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[_Answer, _Given]:
    return _relu(nngp, ntk, row, col), (nngp, ntk, row, col)


def _relu_backward(residuals: _Given, cotangents: _Answer) -> tuple[Array, Array | None, Factors, Factors]:
    """Analytic, because autodiff of acos is infinite at c = 1 (equal images).

    d(s s' k1)/dK = k0, d(s s' k1)/d(s s') = sin / 2 pi; dk0/dc = 1 / (2 pi sin), whose limit along equal images is
    zero, since c stays 1 there. With c = K / (s s') the change of s reaches c by dc = -c ds / s.
    """
    nngp, ntk, row, col = residuals
    g_nngp, g_ntk = cotangents
    a = _angle(nngp, row, col)
    g_scale = g_nngp * a.sine / (2 * np.pi)
    g_input = g_nngp * a.half_arc
    if ntk is not None and g_ntk is not None:
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


def _unbroadcast(x: Array, shape: tuple[int, ...]) -> Array:
    axes = tuple(i for i, size in enumerate(shape) if size == 1 and x.shape[i] != 1)
    return jnp.sum(x, axes, keepdims=True) if axes else x
