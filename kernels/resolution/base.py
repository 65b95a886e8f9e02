"""One resolution of a network, passed one row offset at a time.

A plane [h, ox, w, pairs], or a block of its column offsets, stays in cache through its whole chain of convolutions and
activations, and only the pooled quarter of it is stored. In reverse each is recomputed (`jax.checkpoint`): reading back
its intermediates from memory would cost more than the arithmetic.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.kernels.activations.dual import Factors
from kerneldistill.kernels.bands import Plane
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import Pairs, propagate
from kerneldistill.kernels.levels import Level
from kerneldistill.kernels.offsets import Offsets


class Side(NamedTuple):
    """What one side of the pairs brings to a resolution.

    pixels: one array per channel; used at full resolution alone
    factors: of each activation, by path
    As rows the arrays are [h, w, 1] (one image) or [h, w, pairs]; as columns as `Offsets.columns` lays them out.
    """

    pixels: tuple[Array, ...]
    factors: dict[str, Factors]

    def at(self, level: Level, function: Callable[[Offsets, Array], Array]) -> "Side":
        """Map all arrays, each with the offsets that it meets in a level."""
        places = level.places
        pixels = tuple(function(level.offsets, x) for x in self.pixels)
        return Side(pixels, {path: tuple(function(places[path], x) for x in f) for path, f in self.factors.items()})


def propagate_resolution(
    level: Level, with_ntk: bool, rows: Side, cols: Side, before: Cov | None, block_bytes: int | None = None
) -> Cov:
    """Pass the planes of a level through its layers and join them by its pool or head.

    before: this level's band, None at full resolution.
    block_bytes: take only so many column offsets of a plane at a time, for what will be differentiated: on CPU it costs
      20 % more forward. None: all of them.

    Returns the next level's band, or [pairs] after a head.
    """
    offsets, columns = level.offsets, jax.tree.leaves((cols, before))[0]
    blocks = offsets.blocks(columns.shape[-1] * columns.dtype.itemsize, block_bytes)
    count = offsets.shape[1] // blocks

    def propagate_block(row: Array, first: Array, given: Cov | None) -> Cov:
        theirs = cols.at(level, lambda place, x: place.block_of(x, row, first, count))
        return propagate_plane(level, with_ntk, lambda place: place.plane(row, first, count), rows, theirs, given)

    propagated = jax.checkpoint(propagate_block, prevent_cse=False)

    joint = level.joint

    def reduced_plane(row: Array, given: Cov | None) -> Cov:
        if blocks == 1:
            return level.end.reduce_plane(propagated(row, jnp.zeros_like(row), given), joint)
        firsts, parts = count * jnp.arange(blocks), jax.tree.map(partial(_cut, blocks), given)
        cov = lax.map(lambda inputs: propagated(row, *inputs), (firsts, parts))
        return level.end.reduce_plane(jax.tree.map(_joined, cov), joint)

    planes = jnp.arange(offsets.shape[0])
    stack = lax.map(lambda inputs: reduced_plane(*inputs), (planes, before))
    return level.end.reduce_stack(stack, joint)


def _cut(blocks: int, plane: Array) -> Array:
    """[h, ox, w, pairs] to [blocks, h, ox / blocks, w, pairs]."""
    height, count, *rest = plane.shape
    return jnp.moveaxis(plane.reshape(height, blocks, count // blocks, *rest), 1, 0)


def _joined(parts: Array) -> Array:
    """Undo `_cut`."""
    blocks, height, count, *rest = parts.shape
    return jnp.moveaxis(parts, 0, 1).reshape(height, blocks * count, *rest)


def propagate_plane(
    level: Level,
    with_ntk: bool,
    plane: Callable[[Offsets], Plane],
    rows: Side,
    cols: Side,
    given: Cov | None,
    strip: int | None = None,
) -> Cov:
    """Pass a plane, or a block of its column offsets, through the layers of a level: `[h, ox, w, pairs]`.

    plane: where entries of such offsets lie. cols: sliced by offset, `[h, ox, w, pairs]`. given: what enters, None at
    full resolution. strip: see `Pairs`.
    """
    places, known = level.places, cache(plane)

    def factors(path: str, cov: Cov) -> tuple[Factors, Factors]:
        return tuple(f[:, None] for f in rows.factors[path]), cols.factors[path]

    entering = _products(rows.pixels, cols.pixels) if given is None else given
    pairs = Pairs(with_ntk, lambda path: known(places[path]), factors, strip)
    return propagate(level.layers, entering, pairs).cleaned(known(level.joint.before))


def _products(rows: tuple[Array, ...], cols: tuple[Array, ...]) -> Cov:
    """K[d, p] = <x(p), x'(p + d)> / C, and no tangent kernel before the first weights."""
    products = [x[:, None] * y for x, y in zip(rows, cols, strict=True)]
    return Cov(sum(products[1:], start=products[0]) / len(products), None)
