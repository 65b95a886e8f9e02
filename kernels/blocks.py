"""Blocks of the kernel matrix from features, and their pullback to the support. Tiles are looped over here alone.

A block differentiates its support only: the gradient by the targets is that of the transposed block. Targets that do
not fill the last group are copies of the last image, and their results are dropped (the kernel is not smooth at zero).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from kerneldistill.kernels.batching import PLAIN, Tiling, filled
from kerneldistill.kernels.image_features import Features
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.names import KernelKind
from kerneldistill.kernels.network import Network
from kerneldistill.kernels.resolution.passing import Passing
from kerneldistill.kernels.tile import Columns, Saved, kernel_after_head, lay_out, row_of, tile, tile_pullback


def block(network: Network, kind: KernelKind, support: Features, targets: Features, tiling: Tiling = PLAIN) -> Array:
    """Kernel of every target with every support image: [t, s], in the images' dtype. Traceable; not for autodiff."""
    return block_saving(network, kind, support, targets, tiling)[0]


def block_saving(
    network: Network, kind: KernelKind, support: Features, targets: Features, tiling: Tiling = PLAIN
) -> tuple[Array, Saved]:
    """The same, and what `pullback` needs of it: bands [groups, s, ..., group]."""
    with_ntk = kind == "ntk"
    if network.fully_connected:
        return vector_block(network, with_ntk, support, targets), ()

    def block_of_group(group: Features) -> tuple[Array, Saved]:
        columns = lay_out(network, group, tiling.passing)
        of_image = tiling.compiled(
            lambda image, columns: tile(network, with_ntk, row_of(image), columns, tiling.passing)
        )
        return lax.map(lambda image: of_image(image, columns), support)

    kernel, saved = lax.map(block_of_group, grouped(targets, tiling.group))
    return jnp.swapaxes(kernel, 1, 2).reshape(-1, len(support))[: len(targets)], saved


def half_block(network: Network, kind: KernelKind, images: Features, rows: Array, tiling: Tiling = PLAIN) -> Array:
    """Kernels of images with each other, every pair once: K[i, (i + j) mod s] for i in `rows` [r], j = 0 .. s // 2.

    Every row has as many entries, unlike those of a triangle, so that rows can be dealt to devices. Returns
    [r, s // 2 + 1]; of all rows, `whole` makes the kernel.
    """
    size = len(images)
    partners = (rows[:, None] + jnp.arange(size // 2 + 1)[None]) % size
    if network.fully_connected:
        own = jax.tree.map(lambda x: x[rows], images)
        half = jnp.take_along_axis(block(network, kind, images, own), partners, axis=1)
        return half.at[:, 0].set(vector_diagonal(network, kind == "ntk", own))

    def half_row(inputs: tuple[Array, Array]) -> Array:
        image, others = (jax.tree.map(lambda x, i=i: x[i], images) for i in inputs)
        return block(network, kind, jax.tree.map(lambda x: x[None], image), others, tiling)[:, 0]

    return lax.map(half_row, (rows, partners))


def halved(kernel: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """What `half_block` gives for `rows` [r] of a kernel whose rows [r, s] are at hand, on the host."""
    size = kernel.shape[1]
    return np.take_along_axis(kernel, (rows[:, None] + np.arange(size // 2 + 1)) % size, axis=1)


def whole(half: np.ndarray) -> np.ndarray:
    """The symmetric kernel [s, s] from what `half_block` gives for all its rows, [s, s // 2 + 1]; on the host."""
    size = len(half)
    row, step = np.arange(size)[:, None], np.arange(half.shape[1])[None]
    # Images half a round apart are partners of each other.
    once = (2 * step != size) | (row < step)
    rows, steps = np.nonzero(once)
    cols = (rows + steps) % size
    kernel = np.empty((size, size), half.dtype)
    kernel[rows, cols] = kernel[cols, rows] = half[once]
    return kernel


def pullback(
    network: Network,
    kind: KernelKind,
    support: Features,
    targets: Features,
    cotangent: Array,
    saved: Saved | None = None,
    tiling: Tiling = PLAIN,
) -> Features:
    """Pulls `cotangent` [t, s] of `block` back to the support: the gradient of sum(cotangent * block) by each feature.

    saved: what `block_saving` gave; None: it is computed again, tile by tile.
    """
    with_ntk = kind == "ntk"
    if network.fully_connected:
        return jax.vjp(lambda s: vector_block(network, with_ntk, s, targets), support)[1](cotangent)[0]

    of_image = partial(_pullback_image, network, with_ntk, tiling.passing)

    def add_group(total: Features, inputs: tuple[Features, Saved | None, Array]) -> tuple[Features, None]:
        group, bands, given = inputs
        pullback_image = partial(tiling.compiled(of_image), lay_out(network, group, tiling.passing))
        return jax.tree.map(jnp.add, total, lax.map(pullback_image, (support, bands, given))), None

    groups = grouped(targets, tiling.group)
    count, group = groups.images.shape[:2]
    padded = jnp.pad(cotangent, ((0, count * group - len(targets)), (0, 0)))
    given = jnp.swapaxes(padded.reshape(count, group, len(support)), 1, 2)
    return lax.scan(add_group, jax.tree.map(jnp.zeros_like, support), (groups, saved, given))[0]


def _pullback_image(
    network: Network,
    with_ntk: bool,
    passing: Passing,
    columns: Columns,
    inputs: tuple[Features, Saved | None, Array],
) -> Features:
    image, bands, given = inputs
    row = row_of(image)
    if bands is None:
        bands = tile(network, with_ntk, row, columns, passing)[1]
    by_feature = tile_pullback(network, with_ntk, row, columns, bands, given, passing)
    return jax.tree.map(lambda x: x[..., 0], by_feature)


def vector_block(network: Network, with_ntk: bool, support: Features, targets: Features) -> Array:
    x_t, x_s = (f.images.reshape(len(f), -1) for f in (targets, support))
    products = jnp.matmul(x_t, x_s.T, precision=lax.Precision.HIGHEST) / x_s.shape[1]
    stds = {path: std[None] for path, std in support.stds.items()}
    factors = {path: layer.factors(targets.stds[path][:, None]) for path, layer in network.activations.items()}
    return kernel_after_head(network, with_ntk, Cov(products, None), stds, factors)


def vector_diagonal(network: Network, with_ntk: bool, images: Features) -> Array:
    """Kernel of each image with itself, [n], from the sums that its deviations are of.

    A matrix product sums in another order: its cosine misses 1 by more than activations take for rounding, and the
    diagonal of four layers was off by up to 7e-4 in float32.
    """
    flat = images.images.reshape(len(images), -1)
    factors = {path: layer.factors(images.stds[path]) for path, layer in network.activations.items()}
    return kernel_after_head(network, with_ntk, Cov(jnp.mean(flat * flat, axis=1), None), images.stds, factors)


def grouped(targets: Features, group: int) -> Features:
    """Cuts targets into groups of equal size, `group` or all: arrays [t, ...] to [groups, group, ...]."""
    count = len(targets)
    group = min(count, group)
    groups = -(-count // group)

    def cut(x: Array) -> Array:
        return filled(x, groups * group).reshape(groups, group, *x.shape[1:])

    return jax.tree.map(cut, targets)
