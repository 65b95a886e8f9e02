"""What a kernel tile needs to know of each image by itself: its pixels and the standard deviations of its activations.

The standard deviation of pixel p before an activation is sqrt(K_xx[0, p]), and K_xx is the network's own band of the
image with itself. Targets do not change, so theirs are computed once per data set; a tile then takes no square root.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from kernels.activations import Factors
from kernels.bands import columns, inside, plane_of, pool_x, pool_y
from kernels.layers import Activation, AvgPool, Cov, through
from kernels.levels import Level, levels
from kernels.networks import Network

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
    band = max((2 * p.ry + 1) * (2 * p.rx + 1) * p.height * p.width for p in plan) * images.dtype.itemsize
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
    shifted = (_band(images[:, :, c], plan[0]) * images[None, :, None, :, c] for c in range(channels))
    cov = Cov(sum(shifted) / channels, None)
    for level in plan:
        cov = _self_level(level, cov, stds)
    _tail_of_self(network, cov, stds)
    return tuple(stds)


def _self_level(level: Level, cov: Cov, stds: list[Array]) -> Cov:
    planes = jnp.arange(-level.ry, level.ry + 1)
    mask = jax.vmap(lambda oy: inside(level.height, level.width, oy, level.rx))(planes)

    def activate(layer: Activation, cov: Cov) -> Cov:
        stds.append(_root(cov.nngp[level.ry, :, level.rx]))
        factors = layer.factors(stds[-1])
        row = tuple(f[None, :, None] for f in factors)
        return layer.cov(cov, row, tuple(_band(f, level) for f in factors))

    cov = through(level.layers, cov, mask, False, activate).cleaned(mask)
    if not isinstance(level.end, AvgPool):
        return cov.map(lambda k: jnp.sum(k, (0, 1, 2, 3)) / head_pairs(level))
    return Cov(pool_y(pool_x(cov.nngp)), None, clean=level.height % 2 == level.width % 2 == 0)


def _tail_of_self(network: Network, cov: Cov, stds: list[Array]) -> None:
    for layer in network.layers[network.head + 1 :]:
        if isinstance(layer, Activation):
            stds.append(_root(cov.nngp))
            factors: Factors = layer.factors(stds[-1])
            cov = layer.cov(cov, factors, factors)
        else:
            cov = layer.cov(cov, with_ntk=False)


def head_pairs(level: Level) -> int:
    """How many pixel pairs the head averages: h w for Flatten (offset 0 alone is held), (h w)^2 for the global mean."""
    pixels = level.height * level.width
    return pixels if level.ry == level.rx == 0 else pixels**2


def _band(x: Array, level: Level) -> Array:
    """x'(p + d) for all offsets of a level: [h, w, lanes] to [oy, h, ox, w, lanes]."""
    stacked = columns(x, (level.ry, level.rx))
    return lax.map(lambda i: plane_of(stacked, i, level.height), jnp.arange(2 * level.ry + 1))


def _root(variance: Array) -> Array:
    positive = variance > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1)), 0)
