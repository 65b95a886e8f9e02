"""Blocks of the kernel matrix from features, and their pullback to the rows. The one place where tiles are looped over.

A block differentiates its rows only: the gradient for the columns is that of the transposed block. Columns that do not
fill the last group are copies of the last image, and their results are dropped (the kernel is not smooth at zero).
"""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from kerneldistill.kernels.batching import filled, group_size
from kerneldistill.kernels.features import Features, features
from kerneldistill.kernels.layers import Activation, Cov
from kerneldistill.kernels.networks import Network
from kerneldistill.kernels.tile import Columns, Saved, lay_out, tail, tile, tile_pullback
from kerneldistill.kernels.validation import check_arguments, check_get

Get = Literal["ntk", "nngp"]


def block(network: Network, get: Get, rows: Features, cols: Features) -> Array:
    """Kernel of every row image with every column image: [s, t], in the images' dtype. Traceable; not for autodiff."""
    return block_saving(network, get, rows, cols)[0]


def block_saving(network: Network, get: Get, rows: Features, cols: Features) -> tuple[Array, Saved]:
    """The same, and what `pullback` needs of it: bands [groups, s, ..., group]."""
    with_ntk = get == "ntk"
    if network.fully_connected:
        return _vector_block(network, with_ntk, rows, cols), ()

    def of_group(group: Features) -> tuple[Array, Saved]:
        laid_out = lay_out(network, group)
        return lax.map(lambda row: tile(network, with_ntk, row, laid_out), rows)

    kernel, saved = lax.map(of_group, _grouped(network, cols))
    return jnp.moveaxis(kernel, 0, 1).reshape(len(rows), -1)[:, : len(cols)], saved


def half_block(network: Network, get: Get, images: Features, rows: Array) -> Array:
    """Kernels of images with each other, every pair once: K[i, (i + j) mod s] for i in `rows` [r], j = 0 .. s // 2.

    Every row has as many entries, unlike those of a triangle, so that rows can be dealt to devices. Returns
    [r, s // 2 + 1]; of all rows, `whole` makes the kernel.
    """
    size = len(images)
    partners = (rows[:, None] + jnp.arange(size // 2 + 1)[None]) % size
    if network.fully_connected:
        products = block(network, get, jax.tree.map(lambda x: x[rows], images), images)
        return jnp.take_along_axis(products, partners, axis=1)

    def of_row(inputs: tuple[Array, Array]) -> Array:
        row, cols = (jax.tree.map(lambda x, i=i: x[i], images) for i in inputs)
        return block(network, get, jax.tree.map(lambda x: x[None], row), cols)[0]

    return lax.map(of_row, (rows, partners))


def whole(half: np.ndarray) -> np.ndarray:
    """The symmetric kernel [s, s] from what `half_block` gives for all its rows, [s, s // 2 + 1]; on the host."""
    size = len(half)
    row, step = np.indices(half.shape)
    # Images half a round apart are partners of each other.
    once = (2 * step != size) | (row < step)
    row, col = row[once], (row + step)[once] % size
    kernel = np.empty((size, size), half.dtype)
    kernel[row, col] = kernel[col, row] = half[once]
    return kernel


def pullback(
    network: Network, get: Get, rows: Features, cols: Features, cotangent: Array, saved: Saved | None = None
) -> Features:
    """Pulls `cotangent` [s, t] of `block` back to the rows: the gradient of sum(cotangent * block) by each feature.

    saved: what `block_saving` gave; None: it is computed again, tile by tile.
    """
    with_ntk = get == "ntk"
    if network.fully_connected:
        return jax.vjp(lambda r: _vector_block(network, with_ntk, r, cols), rows)[1](cotangent)[0]

    def of_group(total: Features, inputs: tuple[Features, Saved | None, Array]) -> tuple[Features, None]:
        group, bands, given = inputs
        laid_out = lay_out(network, group)
        of_row = partial(_of_row, network, with_ntk, laid_out)
        return jax.tree.map(jnp.add, total, lax.map(of_row, (rows, bands, given))), None

    groups = _grouped(network, cols)
    count, group = groups.images.shape[:2]
    padded = jnp.pad(cotangent, ((0, 0), (0, count * group - len(cols))))
    given = jnp.moveaxis(padded.reshape(len(rows), count, group), 1, 0)
    return lax.scan(of_group, jax.tree.map(jnp.zeros_like, rows), (groups, saved, given))[0]


def _of_row(network: Network, with_ntk: bool, cols: Columns, inputs: tuple[Features, Saved | None, Array]) -> Features:
    row, bands, given = inputs
    if bands is None:
        bands = tile(network, with_ntk, row, cols)[1]
    return tile_pullback(network, with_ntk, row, cols, bands, given)


def gram(network: Network, x1: Array, x2: Array, get: Get = "ntk") -> Array:
    """The kernel matrix [n1, n2] of images `x1` [n1, h, w, c] and `x2` [n2, h, w, c]; differentiable in both.

    For scripts and tests; `kerneldistill.kernels.engine` shards the same blocks over devices. Example:

        k_ts = gram(conv_net(3), targets, support)

    Raises:
      ValueError: the images differ in shape or dtype, are not floating, or too small for the network's pools.
    """
    check_get(get)
    check_arguments(x1, x2)
    return _gram(network.sized(x1.shape[1:]), x1, x2, get)


@partial(jax.custom_vjp, nondiff_argnums=(0, 3))
def _gram(network: Network, x1: Array, x2: Array, get: Get) -> Array:
    return block(network, get, features(network, x1), features(network, x2))


def _gram_forward(network, x1, x2, get):
    return _gram(network, x1, x2, get), (x1, x2)


def _gram_backward(network, get, images, cotangent):
    (f1, to_x1), (f2, to_x2) = (jax.vjp(lambda x: features(network, x), x) for x in images)
    (g1,) = to_x1(pullback(network, get, f1, f2, cotangent))
    (g2,) = to_x2(pullback(network, get, f2, f1, cotangent.T))
    return g1, g2


_gram.defvjp(_gram_forward, _gram_backward)


def _vector_block(network: Network, with_ntk: bool, rows: Features, cols: Features) -> Array:
    x1, x2 = (f.images.reshape(len(f), -1) for f in (rows, cols))
    products = jnp.matmul(x1, x2.T, precision=lax.Precision.HIGHEST) / x1.shape[1]
    activations = [layer for layer in network.layers if isinstance(layer, Activation)]
    stds = iter(std[:, None] for std in rows.stds)
    factors = (layer.factors(std[None]) for layer, std in zip(activations, cols.stds, strict=True))
    return tail(network, with_ntk, Cov(products, None), stds, factors)


def _grouped(network: Network, cols: Features) -> Features:
    """Cuts columns into groups of equal size: arrays [t, ...] to [groups, group, ...]."""
    count = len(cols)
    group = min(count, group_size(network, cols.images.shape[1:], cols.images.dtype))
    groups = -(-count // group)

    def cut(x: Array) -> Array:
        return filled(x, groups * group).reshape(groups, group, *x.shape[1:])

    return jax.tree.map(cut, cols)
