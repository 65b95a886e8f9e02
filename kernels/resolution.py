"""One resolution of a network, passed one row offset at a time.

A plane [h, ox, w, pairs] stays in cache through its whole chain of convolutions and activations, and only the pooled
quarter of it is stored. In reverse each plane is recomputed (`jax.checkpoint`): reading back its intermediates from
memory would cost more than the arithmetic.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.kernels.activations.dual import Factors
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import Pairs, propagate
from kerneldistill.kernels.levels import Level


class Side(NamedTuple):
    """What one side of the pairs brings to a resolution.

    pixels: one array per channel; used at full resolution alone
    factors: of each activation, by path
    As rows the arrays are [h, w, 1] (one image) or [h, w, pairs]; as columns as `Offsets.columns` lays them out.
    """

    pixels: tuple[Array, ...]
    factors: dict[str, Factors]


def propagate_resolution(level: Level, with_ntk: bool, rows: Side, cols: Side, before: Cov | None) -> Cov:
    """Pass the planes of a level through its layers and join them by its pool or head.

    Returns the next level's band, or [pairs] after a head. `before` is this level's band, None at full resolution.
    """
    offsets = level.offsets

    def propagate_plane(index: Array, given: Cov | None) -> Cov:
        plane = offsets.plane(index)

        def factors(path: str, cov: Cov) -> tuple[Factors, Factors]:
            theirs = tuple(offsets.plane_of(f, index) for f in cols.factors[path])
            return tuple(f[:, None] for f in rows.factors[path]), theirs

        entering = _entering(level, rows, cols, index) if given is None else given
        cov = propagate(level.layers, entering, Pairs(with_ntk, plane, factors)).cleaned(plane)
        return level.end.reduce_plane(cov, offsets)

    planes = jnp.arange(offsets.shape[0])
    propagated = jax.checkpoint(propagate_plane, prevent_cse=False)
    stack = lax.map(lambda inputs: propagated(*inputs), (planes, before))
    return level.end.reduce_stack(stack, offsets)


def _entering(level: Level, rows: Side, cols: Side, index: Array) -> Cov:
    """K[d, p] = <x(p), x'(p + d)> / C, and no tangent kernel before the first weights."""
    pairs = zip(rows.pixels, cols.pixels, strict=True)
    products = [x[:, None] * level.offsets.plane_of(y, index) for x, y in pairs]
    return Cov(sum(products[1:], start=products[0]) / len(products), None)
