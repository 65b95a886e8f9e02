"""The kernel with the gradient of each of its entries by the pixels of its support image.

A gradient sums over the targets where they leave the tile; here each pair keeps its own. That costs most at the
deviations of the support image, whose derivative is pulled back to its pixels for every pair. It walks the band that
they need, at 32x32 a fifth of the kernel's.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.kernels.batching import PLAIN, Tiling
from kerneldistill.kernels.blocks import grouped, vector_block
from kerneldistill.kernels.image_features import Features, features, group_stds
from kerneldistill.kernels.names import KernelKind
from kerneldistill.kernels.network import Network
from kerneldistill.kernels.resolution.passing import Passing
from kerneldistill.kernels.tile import Columns, lay_out, row_of, tile, tile_pullback


def block_jacobian(
    network: Network, kind: KernelKind, support: Features, targets: Features, tiling: Tiling = PLAIN
) -> tuple[Array, Array]:
    """Compute the kernel [t, s] and the gradient of each entry by its support image: [t, s, h, w, c]. Traceable."""
    with_ntk = kind == "ntk"
    if network.fully_connected:
        return _vector_jacobian(network, with_ntk, support, targets)

    of_image = partial(_of_image, network, with_ntk, tiling.passing)

    def of_group(group: Features) -> tuple[Array, Array]:
        return lax.map(partial(tiling.compiled(of_image), lay_out(network, group, tiling.passing)), support)

    kernel, jacobian = lax.map(of_group, grouped(targets, tiling.group))
    lanes_first = jnp.moveaxis(jacobian, -1, 1)
    shape = (-1, len(support), *support.images.shape[1:])
    kernel = jnp.swapaxes(kernel, 1, 2).reshape(shape[:2])
    return kernel[: len(targets)], lanes_first.reshape(shape)[: len(targets)]


def _of_image(
    network: Network, with_ntk: bool, passing: Passing, columns: Columns, image: Features
) -> tuple[Array, Array]:
    """Compute the kernel [pairs] of one image with a group, and its gradients [h, w, c, pairs]."""
    kernel, bands = tile(network, with_ntk, row_of(image), columns, passing)
    row = row_of(image, len(kernel))
    by_feature = tile_pullback(network, with_ntk, row, columns, bands, jnp.ones_like(kernel), passing)
    to_pixels = jax.vjp(partial(group_stds, network), row.images)[1]
    return kernel, by_feature.images + to_pixels(by_feature.stds)[0]


def _vector_jacobian(network: Network, with_ntk: bool, support: Features, targets: Features) -> tuple[Array, Array]:
    def entry(image: Array, target: Features) -> Array:
        return vector_block(network, with_ntk, features(network, image[None]), jax.tree.map(lambda x: x[None], target))

    def of_pair(image: Array, target: Features) -> tuple[Array, Array]:
        kernel, pull = jax.vjp(lambda x: entry(x, target)[0, 0], image)
        return kernel, pull(jnp.ones_like(kernel))[0]

    of_target = jax.vmap(of_pair, in_axes=(0, None))
    return jax.vmap(of_target, in_axes=(None, 0))(support.images, targets)
