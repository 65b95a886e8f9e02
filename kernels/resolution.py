"""One resolution of a network, walked one row offset at a time.

A plane [h, ox, w, pairs] stays in cache through its whole chain of convolutions and activations, and only the pooled
quarter of it is stored. In reverse each plane is recomputed (`jax.checkpoint`): reading back its intermediates from
memory would cost more than the arithmetic.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.kernels.activations import Factors
from kerneldistill.kernels.bands import pool_x, pool_y
from kerneldistill.kernels.layers import Activation, AvgPool, Cov, through
from kerneldistill.kernels.levels import Level


class Side(NamedTuple):
    """What one side of the pairs brings to a resolution.

    pixels: one array per channel; used at full resolution alone
    factors: one `Factors` per activation
    As rows the arrays are [h, w, 1] (one image) or [h, w, pairs]; as columns as `Offsets.columns` lays them out.
    """

    pixels: tuple[Array, ...]
    factors: tuple[Factors, ...]


def walk(level: Level, with_ntk: bool, rows: Side, cols: Side, before: Cov | None) -> Cov:
    """Maps the planes of a level and joins them by its pool or head.

    Returns the next level's band, or [pairs] after a head. `before` is this level's band, None at full resolution.
    """
    offsets = level.offsets

    def plane(index: Array, given: tuple[Array, Array | None] | None) -> tuple[Array, Array | None]:
        place = offsets.plane(index)
        sides = zip(rows.factors, cols.factors, strict=True)

        def activate(layer: Activation, cov: Cov) -> Cov:
            own, theirs = next(sides)
            return layer.cov(cov, tuple(f[:, None] for f in own), tuple(offsets.plane_of(f, index) for f in theirs))

        cov = _entering(level, rows, cols, index) if given is None else Cov(*given, clean=before.clean)
        cov = through(level.layers, cov, place, with_ntk, activate).cleaned(place)
        if isinstance(level.end, AvgPool):
            cov = cov.map(lambda k: pool_x(k, offsets.wrapped))
        else:
            cov = cov.map(lambda k: jnp.sum(k, (0, 1, 2)) / _head_pairs(level))
        return cov.nngp, cov.ntk

    given = None if before is None else (before.nngp, before.ntk)
    planes = jnp.arange(offsets.shape[0])
    nngp, ntk = lax.map(lambda a: jax.checkpoint(plane, prevent_cse=False)(*a), (planes, given))
    if isinstance(level.end, AvgPool):
        # A pool that drops a last row brings it in from beyond the edge.
        clean = offsets.height % 2 == offsets.width % 2 == 0
        return Cov(nngp, ntk, clean).map(lambda k: pool_y(k, offsets.wrapped))
    return Cov(nngp, ntk).map(lambda k: jnp.sum(k, 0))


def _entering(level: Level, rows: Side, cols: Side, index: Array) -> Cov:
    """K[d, p] = <x(p), x'(p + d)> / C, and no tangent kernel before the first weights."""
    pairs = zip(rows.pixels, cols.pixels, strict=True)
    products = (x[:, None] * level.offsets.plane_of(y, index) for x, y in pairs)
    return Cov(sum(products) / len(rows.pixels), None)


def _head_pairs(level: Level) -> int:
    """How many pixel pairs the head averages: h w for Flatten (offset 0 alone is held), (h w)^2 for the global mean."""
    pixels = level.offsets.height * level.offsets.width
    return pixels if level.offsets.shape == (1, 1) else pixels**2
