"""What a kernel tile needs to know of each image by itself: its pixels and the standard deviations of its activations.

The standard deviation of pixel p before an activation is sqrt(K_xx[0, p]), and K_xx is the network's own band of the
image with itself. Targets do not change, so theirs are computed once per data set; a tile then takes no square root.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from kernels.activations import Factors
from kernels.bands import pool_x, pool_y
from kernels.layers import Activation, AvgPool, Cov, through
from kernels.levels import Level, levels
from kernels.networks import Network
from kernels.roots import root

BAND_BYTES = 1 << 24  # size of one band of a group of images while their standard deviations are computed


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
    if not plan[0].layers:
        return Features(images, _vector_stds(network, images))
    band = max(level.offsets.points for level in plan) * images.dtype.itemsize
    group = max(1, min(n, BAND_BYTES // band))
    groups = -(-n // group)
    padded = jnp.concatenate([images, jnp.repeat(images[-1:], groups * group - n, axis=0)])
    compute = jax.checkpoint(lambda x: _group_stds(network, plan, jnp.moveaxis(x, 0, -1)))
    stds = lax.map(compute, padded.reshape(groups, group, *images.shape[1:]))
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
    """Follows K_xx of `images` [h, w, c, lanes] through the network and notes each activation's deviation."""
    stds: list[Array] = []
    channels = images.shape[2]
    shifted = (plan[0].offsets.band_of(images[:, :, c]) * images[None, :, None, :, c] for c in range(channels))
    cov = Cov(sum(shifted) / channels, None)
    for level in plan:
        cov = _self_level(level, cov, stds)
    _tail_of_self(network, cov, stds)
    return tuple(stds)


def _self_level(level: Level, cov: Cov, stds: list[Array]) -> Cov:
    offsets = level.offsets
    plane = jax.vmap(offsets.plane)(jnp.arange(offsets.shape[0]))

    def activate(layer: Activation, cov: Cov) -> Cov:
        stds.append(root(cov.nngp[offsets.zero[0], :, offsets.zero[1]]))
        factors = layer.factors(stds[-1])
        row = tuple(f[None, :, None] for f in factors)
        return layer.cov(cov, row, tuple(offsets.band_of(f) for f in factors))

    cov = through(level.layers, cov, plane, False, activate).cleaned(plane)
    if not isinstance(level.end, AvgPool):
        return cov.map(lambda k: jnp.sum(k, (0, 1, 2, 3)) / head_pairs(level))
    pooled = pool_y(pool_x(cov.nngp, offsets.wrapped), offsets.wrapped)
    return Cov(pooled, None, clean=stays_clean(level))


def _tail_of_self(network: Network, cov: Cov, stds: list[Array]) -> None:
    for layer in network.layers[network.head + 1 :]:
        if isinstance(layer, Activation):
            stds.append(root(cov.nngp))
            factors: Factors = layer.factors(stds[-1])
            cov = layer.cov(cov, factors, factors)
        else:
            cov = layer.cov(cov, with_ntk=False)


def head_pairs(level: Level) -> int:
    """How many pixel pairs the head averages: h w for Flatten (offset 0 alone is held), (h w)^2 for the global mean."""
    pixels = level.offsets.height * level.offsets.width
    return pixels if level.offsets.shape == (1, 1) else pixels**2


def stays_clean(level: Level) -> bool:
    """Whether a pool leaves zeros outside the image: one that drops a last row brings it in from beyond the edge."""
    return level.offsets.height % 2 == level.offsets.width % 2 == 0
