"""Over what a fused kernel steps: groups of pairs, column offsets, row offsets; the last is the fastest.

Column offset 2k + 1 of a narrow band reaches pooled offset k by both pixels that a pool joins, 2k reaches k - 1 by the
even ones and k by the odd ones: at turn t even pixels belong to pooled offset (t - 1) // 2, odd ones to t // 2. Of a
wrapped band, which begins at turn 0 with its last offset, the same holds modulo its size. So a kernel adds up two
pooled column offsets at a time, and each is complete before the next but one begins. Rows are pooled alike.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.experimental import pallas as pl

from kerneldistill.kernels.bands import Plane
from kerneldistill.kernels.offsets import Offsets

# Pairs that fill a vector.
LANES = 128


class Axis(NamedTuple):
    """One axis of offsets. size: how many, before the pool. wrapped: see `Offsets`."""

    size: int
    wrapped: bool

    @property
    def pooled(self) -> int:
        """How many offsets a pool leaves."""
        return self.size // 2

    def offset(self, turn: Array) -> Array:
        """Which offset index is passed at a turn."""
        return lax.rem(turn + (self.size - 1), np.int32(self.size)) if self.wrapped else turn

    def reached(self, turn: Array, odd: bool) -> tuple[Array, Array]:
        """Which pooled offset the even or odd pixels reach at a turn, and whether there is one; else the nearest."""
        index = (turn if odd else turn - 1) >> 1
        if self.wrapped:
            return jnp.where(index < 0, self.pooled - 1, index), index < self.pooled
        inside = (index >= 0) & (index < self.pooled)
        return jnp.clip(index, 0, self.pooled - 1), inside


class Grid(NamedTuple):
    """offsets: of the band. pairs: of the tile."""

    offsets: Offsets
    pairs: int

    @property
    def lanes(self) -> int:
        """Pairs of one step: a vector of them, or all where they do not fill vectors."""
        return LANES if self.pairs % LANES == 0 else self.pairs

    @property
    def rows(self) -> Axis:
        """Row offsets."""
        return Axis(self.offsets.shape[0], self.offsets.wrapped)

    @property
    def cols(self) -> Axis:
        """Column offsets."""
        return Axis(self.offsets.shape[1], self.offsets.wrapped)

    @property
    def steps(self) -> tuple[int, int, int]:
        """How many of each."""
        return self.pairs // self.lanes, self.cols.size, self.rows.size

    @property
    def plane(self) -> tuple[int, int, int]:
        """The shape of a plane: the pairs of one offset."""
        return self.offsets.height, self.offsets.width, self.lanes

    @property
    def framed(self) -> tuple[int, int, int]:
        """The shape of what `Offsets.framed` makes, of the pairs of one step."""
        height, width, lanes = self.plane
        return height + self.rows.size - 1, width + self.cols.size - 1, lanes

    @property
    def pooled(self) -> tuple[int, int, int, int]:
        """The shape of all row offsets of one pooled column offset."""
        height, width, lanes = self.plane
        return self.rows.pooled, height // 2, width // 2, lanes

    @property
    def pooled_band(self) -> tuple[int, ...]:
        """The shape of the pooled band, of all pairs."""
        rows, height, width, _ = self.pooled
        return rows, height, self.cols.pooled, width, self.pairs

    def image_spec(self) -> pl.BlockSpec:
        """What belongs to images and not to offsets, `[h, w, pairs]`: it stays through all offsets."""
        return pl.BlockSpec(self.plane, lambda group, _, __: (0, 0, group))

    def framed_spec(self) -> pl.BlockSpec:
        """The same of what is framed."""
        return pl.BlockSpec(self.framed, lambda group, _, __: (0, 0, group))

    def band_spec(self) -> pl.BlockSpec:
        """One offset of a band `[oy, h, ox, w, pairs]`."""
        height, width, lanes = self.plane
        offset = self.rows.offset, self.cols.offset
        return pl.BlockSpec(
            (None, height, None, width, lanes), lambda group, col, row: (offset[0](row), 0, offset[1](col), 0, group)
        )

    def reached_spec(self, odd: bool) -> pl.BlockSpec:
        """The pooled column offset that the even or odd pixels of a turn reach."""
        return self._pooled_spec(lambda turn: self.cols.reached(turn, odd)[0])

    def completed_spec(self) -> pl.BlockSpec:
        """The pooled column offset that a turn adds to: each is there once, through three turns."""
        return self._pooled_spec(lambda turn: jnp.maximum((turn - 1) >> 1, 0))

    def _pooled_spec(self, index: Callable[[Array], Array]) -> pl.BlockSpec:
        rows, height, width, lanes = self.pooled
        return pl.BlockSpec((rows, height, None, width, lanes), lambda group, col, _: (0, 0, index(col), 0, group))

    def head_spec(self) -> pl.BlockSpec:
        """What a head leaves, `[1, pairs]`."""
        return pl.BlockSpec((1, self.lanes), lambda group, _, __: (0, group))

    def place(self, row: Array, col: Array) -> Plane:
        """Make `Offsets.plane` of one offset, in vectors: `jnp.arange` has too few axes for Mosaic."""
        height, width, lanes = self.plane
        if self.offsets.wrapped:
            h = lax.broadcasted_iota(jnp.int32, (height, 1, 1, lanes), 0)
            w = lax.broadcasted_iota(jnp.int32, (1, 1, width, lanes), 2)
            return Plane(None, ((h > 0) & (h != height - row), (w > 0) & (w != width - col)))
        h, w = (lax.broadcasted_iota(jnp.int32, (height, 1, width, lanes), axis) for axis in (0, 2))
        rows, cols = h + (row - self.offsets.ry), w + (col - self.offsets.rx)
        return Plane((rows >= 0) & (rows < height) & (cols >= 0) & (cols < width), None)
