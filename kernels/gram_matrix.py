"""The kernel matrix of two arrays of images, as one differentiable function."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.kernels.batching import Tiling, tiling
from kerneldistill.kernels.blocks import block, pullback
from kerneldistill.kernels.device_kinds import kind_of
from kerneldistill.kernels.image_checks import check_arguments, check_kind
from kerneldistill.kernels.image_features import features
from kerneldistill.kernels.names import KernelKind
from kerneldistill.kernels.network import Network


def gram(network: Network, x1: Array | np.ndarray, x2: Array | np.ndarray, kind: KernelKind = "ntk") -> Array:
    """Compute the kernel matrix [n1, n2] of images `x1` [n1, h, w, c] and `x2` [n2, h, w, c].

    Differentiable in both; use it inside `jax.jit`. `kerneldistill.kernels.exact_engine` shards the same blocks over
    devices. Example:

        k_ts = gram(conv_net(3), targets, support)

    Raises:
      ValueError: the images differ in shape or dtype, are not floating, or too small for the network's pools.
    """
    check_kind(kind)
    check_arguments(x1, x2)
    _, height, width, channels = x1.shape
    return _gram(network.sized((height, width, channels)), jnp.asarray(x1), jnp.asarray(x2), kind)


@partial(jax.custom_vjp, nondiff_argnums=(0, 3))
def _gram(network: Network, x1: Array, x2: Array, kind: KernelKind) -> Array:
    cut = _tiling(network, x1)
    return block(network, kind, features(network, x2, cut.group), features(network, x1, cut.group), cut)


def _tiling(network: Network, x: Array) -> Tiling:
    """Cut for the device on which jax puts what is not told where to be, by XLA, which can share it among devices."""
    device = getattr(jax.config, "jax_default_device", None) or jax.local_devices()[0]
    return tiling(network, x.shape[1:], x.dtype, kind_of(device)._replace(core_bytes=0))


def _gram_forward(network: Network, x1: Array, x2: Array, kind: KernelKind) -> tuple[Array, tuple[Array, Array]]:
    return _gram(network, x1, x2, kind), (x1, x2)


def _gram_backward(
    network: Network, kind: KernelKind, images: tuple[Array, Array], cotangent: Array
) -> tuple[Array, Array]:
    cut = _tiling(network, images[0])
    (f1, to_x1), (f2, to_x2) = (jax.vjp(lambda x: features(network, x, cut.group), x) for x in images)
    (g1,) = to_x1(pullback(network, kind, f1, f2, cotangent.T, tiling=cut))
    (g2,) = to_x2(pullback(network, kind, f2, f1, cotangent, tiling=cut))
    return g1, g2


_gram.defvjp(_gram_forward, _gram_backward)
