"""A tile of the kernel matrix: one row image against a group of column images, whose pairs stand innermost.

Each resolution is walked one row offset at a time, so that a plane [h, ox, w, pairs] stays in cache through its whole
chain of convolutions and activations, and only the pooled quarter of it is stored. In reverse each plane is
recomputed (`jax.checkpoint`): reading back its three intermediates from memory would cost more than the arithmetic.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from kernels.activations import Factors
from kernels.bands import pool_x, pool_y
from kernels.features import Features, head_pairs, stays_clean
from kernels.layers import Activation, AvgPool, Cov, activations, through
from kernels.levels import Level, levels
from kernels.networks import Network


class Columns(NamedTuple):
    """A group of column images laid out for a tile.

    pixels: one array per channel, [rows, ox, w, pairs] as `kernels.offsets.Offsets.columns` makes it.
    factors: per activation, its `factors`: laid out likewise before the head, [pairs] after it.
    """

    pixels: tuple[Array, ...]
    factors: tuple[Factors, ...]


def lay_out(network: Network, group: Features) -> Columns:
    """Prepares the columns of a tile from the features of a group of images."""
    _, height, width, channels = group.images.shape
    plan = levels(network, height, width)
    lanes = jnp.moveaxis(group.images, 0, -1)
    pixels = tuple(plan[0].offsets.columns(lanes[:, :, c]) for c in range(channels))
    stds = iter(group.stds)
    factors = [
        tuple(level.offsets.columns(f) for f in layer.factors(jnp.moveaxis(next(stds), 0, -1)))
        for level in plan
        for layer in activations(level.layers)
    ]
    tail = (layer for layer in network.layers[network.head + 1 :] if isinstance(layer, Activation))
    return Columns(pixels, (*factors, *(layer.factors(next(stds)) for layer in tail)))


def tile(network: Network, with_ntk: bool, row: Features, cols: Columns) -> Array:
    """Kernel of one image with a group: `row` holds one image ([h, w, c], stds [h_l, w_l]); returns [pairs].

    Differentiable in `row`. The NTK if `with_ntk`, else the NNGP covariance.
    """
    height, width, _ = row.images.shape
    stds, factors = iter(row.stds), iter(cols.factors)
    cov: Cov | None = None
    for level in levels(network, height, width):
        own = [next(stds) for _ in activations(level.layers)]
        theirs = [next(factors) for _ in own]
        cov = _level(level, with_ntk, row.images, own, cols.pixels, theirs, cov)
    return tail(network, with_ntk, cov, stds, factors)


def tail(network: Network, with_ntk: bool, cov: Cov, stds: Iterator[Array], factors: Iterator[Factors]) -> Array:
    """The layers after the head, on covariances of whole images of any shape; `stds` broadcast as rows."""
    for layer in network.layers[network.head + 1 :]:
        if isinstance(layer, Activation):
            cov = layer.cov(cov, layer.factors(next(stds)), next(factors))
        else:
            cov = layer.cov(cov, with_ntk)
    if with_ntk:
        return jnp.zeros_like(cov.nngp) if cov.ntk is None else cov.ntk
    return cov.nngp


def _level(
    level: Level,
    with_ntk: bool,
    image: Array,
    stds: list[Array],
    pixels: tuple[Array, ...],
    factors: list[Factors],
    before: Cov | None,
) -> Cov:
    """One resolution: maps its planes and joins them by the pool or the head. `before` is None at full resolution."""

    offsets = level.offsets

    def plane(i: Array, given: tuple[Array, Array | None] | None) -> tuple[Array, Array | None]:
        place = offsets.plane(i)
        if given is None:
            products = (image[:, None, :, None, c] * offsets.plane_of(x, i) for c, x in enumerate(pixels))
            cov = Cov(sum(products) / len(pixels), None)
        else:
            cov = Cov(*given, clean=before.clean)
        sides = zip(stds, factors, strict=True)

        def activate(layer: Activation, cov: Cov) -> Cov:
            std, theirs = next(sides)
            own = layer.factors(std[:, None, :, None])
            return layer.cov(cov, own, tuple(offsets.plane_of(f, i) for f in theirs))

        cov = through(level.layers, cov, place, with_ntk, activate).cleaned(place)
        if isinstance(level.end, AvgPool):
            cov = cov.map(lambda k: pool_x(k, offsets.wrapped))
        else:
            cov = cov.map(lambda k: jnp.sum(k, (0, 1, 2)) / head_pairs(level))
        return cov.nngp, cov.ntk

    given = None if before is None else (before.nngp, before.ntk)
    planes = jnp.arange(offsets.shape[0])
    nngp, ntk = lax.map(lambda a: jax.checkpoint(plane, prevent_cse=False)(*a), (planes, given))
    if isinstance(level.end, AvgPool):
        return Cov(nngp, ntk, clean=stays_clean(level)).map(lambda k: pool_y(k, offsets.wrapped))
    return Cov(nngp, ntk).map(lambda k: jnp.sum(k, 0))
