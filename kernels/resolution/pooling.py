"""The 2x2 average pool of planes that come one after the other, within a fused kernel, and its adjoint.

See `grid` for which pooled offsets a plane reaches. `bands.pool_x` and `bands.pool_y` are the definition.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from kerneldistill.kernels.resolution.grid import Grid

Ref = Any  # of Pallas, which names no type for it
# A pooled entry is a mean of 2 x 2 pixels of either image.
_MEAN_OF = 16


class Sums(NamedTuple):
    """Memory of a core in which planes are pooled.

    plane: of which even and odd pixels are read
    following: the pooled column offset after the one that is added to the output
    last: of a wrapped band, what its first turn gives to its last pooled column offset
    """

    plane: Ref
    following: Ref
    last: Ref | None = None

    @staticmethod
    def scratch(grid: Grid, dtype: Any) -> list[Any]:
        """Allocate for `Sums(*...)`."""
        return [pltpu.VMEM(grid.plane, dtype), *[pltpu.VMEM(grid.pooled, dtype)] * (1 + grid.offsets.wrapped)]


def add_pooled(grid: Grid, found: Array, out: Ref, sums: Sums) -> None:
    """Add a plane [h, w, lanes] to the pooled column offsets that it reaches; `out` is as `Grid.completed_spec`."""
    turn = pl.program_id(1)
    joins = turn % 2 == 1
    pl.when(pl.program_id(2) == 0)(lambda: _begin(grid, out, sums))
    sums.plane[...] = found / _MEAN_OF
    even, odd = (sums.plane[:, pl.ds(parity, grid.pooled[2], stride=2), :] for parity in (0, 1))
    pl.when(joins)(lambda: _add_rows(grid, even + odd, out))

    @pl.when(~joins)
    def _() -> None:
        _add_rows(grid, odd, sums.following)
        pl.when(turn > 0)(lambda: _add_rows(grid, even, out))
        if sums.last is not None:
            pl.when(turn == 0)(lambda: _add_rows(grid, even, sums.last))


def _begin(grid: Grid, out: Ref, sums: Sums) -> None:
    """Begin a column offset: nothing is in memory that was not written."""
    turn, zeros = pl.program_id(1), jnp.zeros(grid.pooled, sums.following.dtype)

    @pl.when(turn % 2 == 1)
    def _() -> None:
        out[...] = sums.following[...]

    @pl.when(turn % 2 == 0)
    def _() -> None:
        sums.following[...] = zeros

    last = sums.last
    if last is None:
        return

    @pl.when(turn == 0)
    def _() -> None:
        last[...] = zeros

    @pl.when(turn == grid.cols.size - 1)
    def _() -> None:
        out[...] += last[...]


def _add_rows(grid: Grid, cols: Array, to: Ref) -> None:
    """Add the rows of [h, pooled w, lanes] to the pooled row offsets that they reach."""
    half, rest = grid.pooled[1], cols.shape[1:]
    rows = cols[: 2 * half].reshape(half, 2, *rest)
    for parity in (0, 1):
        index, inside = grid.rows.reached(pl.program_id(2), bool(parity))

        @pl.when(inside)
        def _(index: Array = index, parity: int = parity) -> None:
            to[index] += rows[:, parity]


def dealt_shape(grid: Grid) -> tuple[int, ...]:
    """The shape of the memory that `dealt` takes."""
    height, width, lanes = grid.plane
    return -(-height // 2), 2, width, lanes


def dealt(grid: Grid, even: Ref, odd: Ref, to: Ref) -> Array:
    """Give each pixel of a plane its part of the pooled entries that it reached, which are as `Grid.reached_spec`."""
    height, width, _ = grid.plane
    if height % 2 or width % 2:
        to[...] = jnp.zeros(to.shape, to.dtype)  # what a pool drops
    for y in (0, 1):
        row, row_inside = grid.rows.reached(pl.program_id(2), bool(y))
        for x, ref in enumerate((even, odd)):
            inside = row_inside & grid.cols.reached(pl.program_id(1), bool(x))[1]
            to[: height // 2, y, pl.ds(x, width // 2, stride=2), :] = jnp.where(inside, ref[row] / _MEAN_OF, 0)
    return to[...].reshape(-1, *to.shape[2:])[:height]
