"""Whole bands: what the pixels of an image bring to one, and all pairs of pixels as a matrix, as attention takes them.

Entry [a, b] of a matrix is the pair of pixel a of x and pixel b of x', both numbered row by row.
"""

from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.kernels.bands import Plane
from kerneldistill.kernels.offsets import Offsets


def whole_plane(offsets: Offsets) -> Plane:
    """Where the entries of a whole band lie."""
    return jax.vmap(offsets.plane)(jnp.arange(offsets.shape[0]))


def partners(offsets: Offsets, images: Array) -> Array:
    """x'(p + d) of each entry of a band: [h, w, lanes] to [oy, h, ox, w, lanes], zeros outside the image."""
    columns = offsets.columns(images)
    firsts = (offsets.step * i for i in range(offsets.shape[0]))
    return jnp.stack([columns[i : i + offsets.height] for i in firsts])


def matrix_of(offsets: Offsets, band: Array) -> Array:
    """The pairs of a band [oy, h, ox, w, lanes] that holds all of them, as a matrix [h w, h w, lanes]."""
    orders, pixels = _orders(offsets), offsets.height * offsets.width
    found = _taken(orders.to_matrix, orders.from_matrix, band.reshape(-1, band.shape[-1]))
    return found.reshape(pixels, pixels, -1)


def band_of(offsets: Offsets, matrix: Array) -> Array:
    """The entries of a band [oy, h, ox, w, lanes] from a matrix of all pairs [h w, h w, lanes], zeros outside."""
    orders, lanes = _orders(offsets), matrix.shape[-1]
    found = _taken(orders.to_band, orders.from_band, matrix.reshape(-1, lanes))
    rows, cols = offsets.shape
    return found.reshape(rows, offsets.height, cols, offsets.width, lanes)


class _Order:
    """Which entry of the one stands where in the other, -1 for zero; hashed by its values."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values.astype(np.int32)
        self._key = self.values.tobytes()

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Order) and self._key == other._key


class _Orders(NamedTuple):
    """to_matrix, to_band: of the entries of a matrix those of a band, and the other way.

    from_matrix, from_band: to where the cotangents of either go back; None where several go to one
    """

    to_matrix: _Order
    from_matrix: _Order | None
    to_band: _Order
    from_band: _Order | None


@lru_cache(maxsize=64)
def _orders(offsets: Offsets) -> _Orders:
    height, width = offsets.height, offsets.width
    pixels = height * width
    rows, cols = (_reached(offsets, axis) for axis in (0, 1))
    inside = (rows >= 0)[:, :, None, None] & (cols >= 0)
    own = np.arange(height)[:, None, None] * width + np.arange(width)
    theirs = rows[:, :, None, None] * width + cols
    to_band = np.where(inside, own * pixels + theirs, -1).reshape(-1)
    held = np.flatnonzero(to_band >= 0)
    to_matrix = np.full(pixels**2, -1)
    to_matrix[to_band[held]] = held
    alone = len(np.unique(to_band[held])) == len(held)
    # Of a pair that stands at several offsets, modulo the size, one is read.
    read = np.full(to_band.shape, -1)
    read[to_matrix[to_matrix >= 0]] = np.flatnonzero(to_matrix >= 0)
    return _Orders(_Order(to_matrix), _Order(read), _Order(to_band), _Order(to_matrix) if alone else None)


def _reached(offsets: Offsets, axis: int) -> np.ndarray:
    """Which pixel p + d is for each offset and pixel along an axis, [offsets, pixels]; -1 outside."""
    size, count = (offsets.height, offsets.width)[axis], offsets.shape[axis]
    found = offsets.step * (np.arange(count) - offsets.zero[axis])[:, None] + np.arange(size)
    return found % size if offsets.wraps else np.where((found >= 0) & (found < size), found, -1)


def _taken(order: _Order, back: _Order | None, x: Array) -> Array:
    return _take(order, x) if back is None else _take_and_return(order, back, x)


def _take(order: _Order, x: Array) -> Array:
    index = order.values
    found = jnp.take(x, np.maximum(index, 0), axis=0)
    return found if (index >= 0).all() else jnp.where((index >= 0)[:, None], found, 0)


# The adjoint of a gather is a scatter, a loop over its entries on CPU; this one is a gather too.
@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _take_and_return(order: _Order, back: _Order, x: Array) -> Array:
    return _take(order, x)


_take_and_return.defvjp(lambda order, _, x: (_take(order, x), None), lambda _, back, __, g: (_take(back, g),))
