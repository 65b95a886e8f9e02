"""From a configuration to the network and the engine that computes its kernel."""

import jax
import numpy as np

from kerneldistill.config.schema import KernelConfig
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.networks import Network, conv_net, conv_vec, fc_net, myrtle, wide_resnet


def network_of(kernel: KernelConfig) -> Network:
    """The network that `kernel` names."""
    scales = {"W_std": kernel.W_std, "b_std": kernel.b_std, "activation": kernel.activation}
    match kernel.network:
        case "fc":
            network = fc_net(kernel.depth, **scales)
        case "conv_net":
            network = conv_net(kernel.depth, kernel.prepend, **scales, global_pool=bool(kernel.global_pool))
        case "conv_vec":
            network = conv_vec(kernel.depth, **scales)
        case "myrtle":
            network = myrtle(kernel.depth, **scales, pools=kernel.pools)
        case "wide_resnet":
            mean = kernel.global_pool is not False
            network = wide_resnet(kernel.depth, **scales, groups=kernel.groups, global_pool=mean)
    return network if kernel.width is None else network.standard(kernel.width)


def engine_of(
    kernel: KernelConfig, image_shape: tuple[int, int, int], devices: tuple[jax.Device, ...] = ()
) -> ExactEngine:
    """The engine of `kernel`, on all devices unless they are given, for images of `image_shape` (h, w, c)."""
    return ExactEngine(network_of(kernel), kernel.get, image_shape, np.dtype(kernel.dtype), devices)
