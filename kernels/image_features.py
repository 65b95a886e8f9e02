"""What a kernel tile needs to know of each image by itself: its pixels and the standard deviations of its activations.

The standard deviation of pixel p before an activation is sqrt(K_xx[0, p]), and K_xx is the network's own band of the
image with itself. Targets do not change, so theirs are computed once per data set; a tile then takes no square root.
"""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.kernels.activations.dual import Factors
from kerneldistill.kernels.bands import WHOLE_IMAGES
from kerneldistill.kernels.batching import filled
from kerneldistill.kernels.device_kinds import CPU
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import Pairs, propagate
from kerneldistill.kernels.layers.pointwise import Pointwise
from kerneldistill.kernels.levels import Level, deviation_levels
from kerneldistill.kernels.network import Network, activations
from kerneldistill.kernels.offsets import Offsets
from kerneldistill.kernels.resolution.base import Side, propagate_resolution
from kerneldistill.kernels.resolution.whole import follow_images
from kerneldistill.kernels.safe_math import root

# Standard deviations by the path of their activation: a missing or misplaced one is a KeyError.
Stds = dict[str, Array]


class Features(NamedTuple):
    """Images and their standard deviations.

    images: [n, h, w, c] pixels, whitened space.
    stds: of each activation, by path: [n, h_l, w_l] before the head, [n] after it; of an attention, its weights.
    """

    images: Array
    stds: Stds

    def __len__(self) -> int:  # images, not fields
        return self.images.shape[0]


def features(network: Network, images: Array, group: int = CPU.lanes) -> Features:
    """Compute the features of `images` [n, h, w, c], `group` at a time; differentiable; cheaper than entries."""
    n = len(images)
    if network.fully_connected:
        flat, stds = images.reshape(n, -1), {}
        _tail_of_self(network, Cov(jnp.mean(flat * flat, axis=1), None), stds)
        return Features(images, stds)
    group = min(n, group)
    groups = -(-n // group)
    compute = jax.checkpoint(lambda x: group_stds(network, jnp.moveaxis(x, 0, -1)))
    stds = lax.map(compute, filled(images, groups * group).reshape(groups, group, *images.shape[1:]))
    return Features(images, {path: _lanes_first(std, n) for path, std in stds.items()})


def _lanes_first(std: Array, n: int) -> Array:
    """[groups, ..., group] to [n, ...]."""
    moved = jnp.moveaxis(std, -1, 1)
    return moved.reshape(-1, *moved.shape[2:])[:n]


def group_stds(network: Network, images: Array) -> Stds:
    """Follow K_xx of `images` [h, w, c, lanes] through the network and note each activation's deviation.

    Layers but attention never mix offsets within a resolution, so the plane of offset 0 alone gives all deviations of
    it; then the whole band is passed on as any other, to where the last activation is.

    Returns [h_l, w_l, lanes] before the head, [lanes] after it.
    """
    plan, tail = deviation_levels(network, *images.shape[:2]), activations(network.tail)
    stds: Stds = {}
    pixels = tuple(images[:, :, c] for c in range(images.shape[2]))
    squares = [x * x for x in pixels]
    plane = sum(squares[1:], start=squares[0])[:, None] / len(pixels)
    cov, entering = None, Cov(plane, None)
    for level in plan:
        if cov is not None and level.whole:
            cov = follow_images(level, cov, stds.__setitem__)
            continue
        if cov is not None:
            # Entries beyond the edges are another matter: of offset 0 there are none.
            pixels, entering = (), replace(cov, nngp=cov.nngp[level.offsets.zero[0]], clean=True)
        rows = Side(pixels, _deviations(level, entering, stds))
        if tail or level is not plan[-1]:
            cov = propagate_resolution(level, False, rows, rows.at(level, Offsets.columns), cov)
    if cov is not None and tail:
        _tail_of_self(network, cov, stds)
    return stds


def _deviations(level: Level, entering: Cov, stds: Stds) -> dict[str, Factors]:
    """Pass offset 0 of a plane [h, ox, w, lanes] through a level: add to `stds`, return the factors."""
    offsets, plane = level.offsets, entering.nngp
    zero = offsets.zero[1] if plane.shape[1] > 1 else 0
    circular = offsets.wraps and level.turns_round
    alone = level._replace(offsets=Offsets(offsets.height, offsets.width, 0, 0, False, offsets.step, circular))
    places, known = alone.places, cache(lambda place: place.plane(jnp.array(0)))
    found: dict[str, Factors] = {}

    def factors(path: str, cov: Cov) -> tuple[Factors, Factors]:
        layer = activations[path]
        assert isinstance(layer, Pointwise)  # others take whole bands
        stds[path] = layer.deviations(cov.nngp[:, 0])
        found[path] = layer.factors(stds[path])
        both = tuple(f[:, None] for f in found[path])
        return both, both

    activations = level.activations
    pairs = Pairs(False, lambda path: known(places[path]), factors)
    propagate(level.layers, replace(entering, nngp=plane[:, zero : zero + 1]), pairs)
    return found


def _tail_of_self(network: Network, cov: Cov, stds: Stds) -> None:
    """Pass variances [n] through the layers after the head: add to `stds`."""

    def factors(path: str, cov: Cov) -> tuple[Factors, Factors]:
        stds[path] = root(cov.nngp)
        own = network.activations[path].factors(stds[path])
        return own, own

    propagate(network.tail, cov, Pairs(False, lambda _: WHOLE_IMAGES, factors))
