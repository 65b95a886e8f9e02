"""A resolution of a tile as one kernel of a TPU, and its pullback as another: no plane leaves the core's memory.

XLA gives each operation on planes a loop of its own, which reads and writes them. Here the NNGP and NTK of one offset,
planes [h, w, 128 pairs], pass through all layers (by `base.propagate_plane`, traced within the kernel) and are pooled
in both directions into a block of the next band; that is written when its column offset is complete. The pullback
passes each plane once more, and adds up what the row gets. Images and factors are read once a tile.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from kerneldistill.kernels.flops import level_passes
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.levels import Level
from kerneldistill.kernels.passes import Passes
from kerneldistill.kernels.resolution import base
from kerneldistill.kernels.resolution.base import Side
from kerneldistill.kernels.resolution.call import Call
from kerneldistill.kernels.resolution.grid import Grid
from kerneldistill.kernels.resolution.pooling import Ref, Sums, add_pooled, dealt, dealt_shape

# Rows of pixels. With all 32 at once v5e's compiler schedules 14,687 instructions a step forward, of which 9,875 put
# registers aside; by 4 rows 11,050 and 5,008, by single rows 10,732 and 4,166. In reverse: 12,100, 12,100, 12,025.
STRIP = 4


class Given(NamedTuple):
    """What a tile brings to a resolution.

    rows: arrays `[h, w, pairs]`
    cols: as `Offsets.framed` makes them
    before: the band, None at full resolution
    """

    rows: Side
    cols: Side
    before: Cov | None


@dataclass(frozen=True)
class Kernels:
    """Both kernels of a resolution.

    level: its layers
    with_ntk: whether the tangent kernel is wanted
    like: of the shapes and dtype of what they are given
    """

    level: Level
    with_ntk: bool
    like: Given

    @cached_property
    def forward(self) -> Call:
        """The kernel of `Given`: the answers, [1, pairs] after a head."""
        grid, dtype, count = self.grid, self.like_leaf.dtype, len(jax.tree.leaves(self.answer))
        spec, shape, sums = grid.head_spec(), (1, grid.pairs), ()
        if not self.is_head:
            spec, shape, sums = grid.completed_spec(), grid.pooled_band, Sums.scratch(grid, dtype)
        return Call(
            self._forward,
            grid.steps,
            self.passes.forward * grid.pairs,
            (self._specs,),
            ([spec] * count,),
            ([jax.ShapeDtypeStruct(shape, dtype)] * count,),
            (self._slices, [sums] * count),
        )

    @cached_property
    def pullback(self) -> Call:
        """The kernel of `Given` and, for even and odd pixels, the answers' cotangents: those of rows and band."""
        grid, count = self.grid, len(jax.tree.leaves(self.answer))
        wanted, planes = [grid.head_spec()], []
        if not self.is_head:
            wanted = [grid.reached_spec(odd) for odd in (False, True)]
            planes = [pltpu.VMEM(dealt_shape(grid), self.like_leaf.dtype)] * count
        specs, like = self._specs, self.like
        return Call(
            self._pullback,
            grid.steps,
            (self.passes.forward + self.passes.reverse) * grid.pairs,
            (specs, [wanted] * count),
            (specs.rows, specs.before),
            jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), (like.rows, like.before)),
            (self._slices, planes),
        )

    @cached_property
    def answer(self) -> Cov:
        """Shapes of the next band, by its definition."""
        shape = self.grid.framed[0], self.grid.cols.size, self.grid.plane[1], self.grid.pairs
        cols = jax.tree.map(lambda x: jax.ShapeDtypeStruct(shape, x.dtype), self.like.cols)
        given = self.like.rows, cols, self.like.before
        return jax.eval_shape(lambda *given: base.propagate_resolution(self.level, self.with_ntk, *given), *given)

    @cached_property
    def passes(self) -> Passes:
        """Operations of an entry."""
        before = self.like.before
        entering = Passes(0, 0, before is not None and before.ntk is not None)
        return level_passes(entering, self.level, self.with_ntk, len(self.like.cols.pixels))

    @cached_property
    def grid(self) -> Grid:
        """Over what they step."""
        return Grid(self.level.offsets, self.like_leaf.shape[-1])

    @property
    def is_head(self) -> bool:
        """Whether the level ends with a head, not a pool."""
        return self.level.end.is_head

    @property
    def like_leaf(self) -> Array:
        """One of the arrays."""
        return jax.tree.leaves(self.like.cols)[0]

    @property
    def _specs(self) -> Given:
        specs = self.grid.image_spec(), self.grid.framed_spec(), self.grid.band_spec()
        return Given(*(jax.tree.map(lambda _, s=s: s, part) for part, s in zip(self.like, specs, strict=True)))

    @property
    def _slices(self) -> Side:
        """Memory for the columns of one column offset: a row offset of it is a matter of addresses."""
        shape = self.grid.framed[0], *self.grid.plane[1:]
        return jax.tree.map(lambda x: pltpu.VMEM(shape, x.dtype), self.like.cols)

    def _forward(self, given: Given, outs: list[Ref], slices: Side, sums: list[Sequence[Ref]]) -> None:
        found = self._through(given.cols, slices)(*_read((given.rows, given.before)))
        for kernel, out, scratch in zip(jax.tree.leaves(found), outs, sums, strict=True):
            if self.is_head:
                _add(kernel, out)
            else:
                add_pooled(self.grid, kernel, out, Sums(*scratch))

    def _pullback(
        self, given: Given, wanted: list[list[Ref]], by_rows: Side, by_band: Cov | None, slices: Side, planes: list[Ref]
    ) -> None:
        through = self._through(given.cols, slices)
        found, pull = jax.vjp(through, *_read((given.rows, given.before)))
        if self.is_head:
            cotangent = [ref[...] for (ref,) in wanted]
        else:
            pairs = zip(wanted, planes, strict=True)
            cotangent = [dealt(self.grid, even, odd, plane) for (even, odd), plane in pairs]
        rows, band = pull(jax.tree.unflatten(jax.tree.structure(found), cotangent))
        jax.tree.map(_add, rows, by_rows)
        jax.tree.map(_put, band, by_band)

    def _through(self, cols: Side, slices: Side) -> Callable[[Side, Cov | None], Cov]:
        """Take the columns of this step, and give what passes a plane [h, w, lanes] of rows and band."""
        grid, turn = self.grid, pl.program_id(2)
        row, col = grid.rows.offset(turn), grid.cols.offset(pl.program_id(1))
        height, width = grid.plane[:2]

        @pl.when(turn == 0)
        def _() -> None:
            jax.tree.map(lambda to, of: _put(of[:, pl.ds(col, width), :], to), slices, cols)

        theirs = jax.tree.map(lambda ref: ref[pl.ds(row, height)][:, None], slices)
        place = grid.place(row, col)

        def passed(rows: Side, before: Cov | None) -> Cov:
            entering = jax.tree.map(lambda x: x[:, None], before)
            cov = base.propagate_plane(self.level, self.with_ntk, lambda _: place, rows, theirs, entering, STRIP)
            if self.is_head:
                return self.level.end.reduce_plane(cov, self.level.joint).map(lambda k: k[None])
            return cov.map(lambda k: k[:, 0])

        return passed


def propagate_resolution(level: Level, with_ntk: bool, given: Given, core_bytes: int, interpret: Any = False) -> Cov:
    """Compute what `base.propagate_resolution` computes; differentiable in rows and band, not in columns.

    core_bytes: of a core's memory that a kernel may take. interpret: see `pl.pallas_call`.
    """
    kernels = Kernels(level, with_ntk, given)

    def forward(given: Given) -> Cov:
        (found,) = kernels.forward((given,), core_bytes, interpret)
        found = [kernel[0] for kernel in found] if kernels.is_head else found
        return jax.tree.unflatten(jax.tree.structure(kernels.answer), found)

    def reverse(given: Given, cotangent: Cov) -> tuple[Given]:
        each = jax.tree.leaves(cotangent)
        wanted = [[k[None]] if kernels.is_head else [k, k] for k in each]
        rows, before = kernels.pullback((given, wanted), core_bytes, interpret)
        return (Given(rows, jax.tree.map(jnp.zeros_like, given.cols), before),)

    passed = jax.custom_vjp(forward)
    passed.defvjp(lambda given: (passed(given), given), reverse)
    return passed(given)


def needed_bytes(level: Level, side: Side) -> int:
    """Bytes of a core's memory that the larger kernel needs for NTKs, where images bring arrays such as `side`."""
    leaf, offsets = jax.tree.leaves(side)[0], level.offsets
    grid = Grid(offsets, leaf.shape[-1])

    def shaped(*shape: int) -> Any:
        return jax.ShapeDtypeStruct((*shape, grid.pairs), leaf.dtype)

    rows, cols = (jax.tree.map(lambda _, s=s: shaped(*s[:2]), side) for s in (grid.plane, grid.framed))
    band = shaped(grid.rows.size, offsets.height, grid.cols.size, offsets.width)
    kernels = Kernels(level, True, Given(rows, cols, None if side.pixels else Cov(band, band)))
    # What a chain keeps of its planes beside blocks and scratch: up to 15 planes of two activations in the pullback.
    working = 8 * len(level.activations) * kernels.pullback.padded(grid.plane)
    return max(kernels.forward.held, kernels.pullback.held) + working


def _read(refs: Any) -> Any:
    return jax.tree.map(lambda ref: ref[...], refs)


def _put(found: Array, to: Ref) -> None:
    to[...] = found


def _add(found: Array, to: Ref) -> None:
    """Add to what is the same through all offsets."""
    first = (pl.program_id(1) == 0) & (pl.program_id(2) == 0)
    pl.when(first)(lambda: _put(jnp.zeros(to.shape, to.dtype), to))
    to[...] += found
