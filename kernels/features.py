"""What a kernel tile needs to know of each image by itself: its pixels and the standard deviations of its activations.

The standard deviation of pixel p before an activation is sqrt(K_xx[0, p]), and K_xx is the network's own band of the
image with itself. Targets do not change, so theirs are computed once per data set; a tile then takes no square root.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.kernels.activations import Factors
from kerneldistill.kernels.batching import filled, group_size
from kerneldistill.kernels.layers import Activation, Cov, through
from kerneldistill.kernels.levels import Level, levels
from kerneldistill.kernels.networks import Network
from kerneldistill.kernels.offsets import Offsets
from kerneldistill.kernels.resolution import Side, walk
from kerneldistill.kernels.safe_math import root


class Features(NamedTuple):
    """Images and their standard deviations.

    images: [n, h, w, c] pixels, whitened space.
    stds: one array per activation, in order: [n, h_l, w_l] before the head, [n] after it.
    """

    images: Array
    stds: tuple[Array, ...]

    def __len__(self) -> int:  # images, not fields
        return self.images.shape[0]


def features(network: Network, images: Array) -> Features:
    """Computes the features of `images` [n, h, w, c]; differentiable; about one forward kernel entry per image."""
    n, height, width, _ = images.shape
    plan = levels(network, height, width)
    if network.fully_connected:
        return Features(images, _vector_stds(network, images))
    group = min(n, group_size(network, images.shape[1:], images.dtype))
    groups = -(-n // group)
    compute = jax.checkpoint(lambda x: _group_stds(network, plan, jnp.moveaxis(x, 0, -1)))
    stds = lax.map(compute, filled(images, groups * group).reshape(groups, group, *images.shape[1:]))
    return Features(images, tuple(_lanes_first(s, n) for s in stds))


def _lanes_first(std: Array, n: int) -> Array:
    """[groups, ..., group] to [n, ...]."""
    moved = jnp.moveaxis(std, -1, 1)
    return moved.reshape(-1, *moved.shape[2:])[:n]


def _vector_stds(network: Network, images: Array) -> tuple[Array, ...]:
    flat = images.reshape(images.shape[0], -1)
    stds: list[Array] = []
    _tail_of_self(network, Cov(jnp.mean(flat * flat, axis=1), None), stds)
    return tuple(stds)


def _group_stds(network: Network, plan: tuple[Level, ...], images: Array) -> tuple[Array, ...]:
    """Follows K_xx of `images` [h, w, c, lanes] through the network and notes each activation's deviation.

    Layers never mix offsets within a resolution, so the plane of offset 0 alone gives all deviations of it; then
    the whole band is walked as any other.
    """
    stds: list[Array] = []
    pixels = tuple(images[:, :, c] for c in range(images.shape[2]))
    cov = None
    for level in plan:
        offsets = level.offsets
        factors = _deviations(level, _variances(pixels) if cov is None else cov.nngp[offsets.zero[0]], stds)
        rows = Side(pixels if cov is None else (), factors)
        cols = jax.tree.map(offsets.columns, rows)
        cov = walk(level, False, rows, cols, cov)
    _tail_of_self(network, cov, stds)
    return tuple(stds)


def _variances(pixels: tuple[Array, ...]) -> Array:
    """K_xx[0, p] of the pixels, [h, 1, w, lanes]."""
    return sum(x * x for x in pixels)[:, None] / len(pixels)


def _deviations(level: Level, plane: Array, stds: list[Array]) -> tuple[Factors, ...]:
    """Passes offset 0 of `plane` [h, ox, w, lanes] through a level: appends to `stds`, returns the factors."""
    offsets = level.offsets
    zero = offsets.zero[1] if plane.shape[1] > 1 else 0
    alone = Offsets(offsets.height, offsets.width, 0, 0, wrapped=False)
    factors: list[Factors] = []

    def activate(layer: Activation, cov: Cov) -> Cov:
        stds.append(root(cov.nngp[:, 0]))
        factors.append(layer.factors(stds[-1]))
        both = tuple(f[:, None] for f in factors[-1])
        return layer.cov(cov, both, both)

    through(level.layers, Cov(plane[:, zero : zero + 1], None), alone.plane(jnp.array(0)), False, activate)
    return tuple(factors)


def _tail_of_self(network: Network, cov: Cov, stds: list[Array]) -> None:
    for layer in network.layers[network.head + 1 :]:
        if isinstance(layer, Activation):
            stds.append(root(cov.nngp))
            factors: Factors = layer.factors(stds[-1])
            cov = layer.cov(cov, factors, factors)
        else:
            cov = layer.cov(cov, with_ntk=False)
