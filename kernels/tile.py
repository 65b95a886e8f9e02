"""A tile of the kernel matrix: one row image against a group of column images, whose pairs stand innermost."""

from collections.abc import Iterator
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from kernels.activations import Factors
from kernels.features import Features
from kernels.layers import Activation, Cov, activations
from kernels.levels import levels
from kernels.networks import Network
from kernels.walk import Side, walk


class Columns(NamedTuple):
    """A group of column images laid out for a tile.

    levels: their side of each resolution.
    tail: per activation after the head, its factors, [pairs].
    """

    levels: tuple[Side, ...]
    tail: tuple[Factors, ...]


def lay_out(network: Network, group: Features) -> Columns:
    """Prepares the columns of a tile from the features of a group of images."""
    _, height, width, channels = group.images.shape
    lanes, stds = jnp.moveaxis(group.images, 0, -1), iter(group.stds)
    sides = []
    for level in levels(network, height, width):
        pixels = () if sides else tuple(level.offsets.columns(lanes[:, :, c]) for c in range(channels))
        factors = (layer.factors(jnp.moveaxis(next(stds), 0, -1)) for layer in activations(level.layers))
        sides.append(Side(pixels, tuple(tuple(level.offsets.columns(f) for f in own) for own in factors)))
    tail = (layer for layer in network.layers[network.head + 1 :] if isinstance(layer, Activation))
    return Columns(tuple(sides), tuple(layer.factors(next(stds)) for layer in tail))


def tile(network: Network, with_ntk: bool, row: Features, cols: Columns) -> Array:
    """Kernel of one image with a group: `row` holds one image ([h, w, c], stds [h_l, w_l]); returns [pairs].

    Differentiable in `row`. The NTK if `with_ntk`, else the NNGP covariance.
    """
    height, width, channels = row.images.shape
    pixels = tuple(row.images[:, :, c, None] for c in range(channels))
    stds = iter(row.stds)
    cov: Cov | None = None
    for level, side in zip(levels(network, height, width), cols.levels, strict=True):
        factors = tuple(layer.factors(next(stds)[:, :, None]) for layer in activations(level.layers))
        cov = walk(level, with_ntk, Side(pixels if cov is None else (), factors), side, cov)
    return tail(network, with_ntk, cov, stds, iter(cols.tail))


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
