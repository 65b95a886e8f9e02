"""From a configuration to the network and the engine that computes its kernel."""

import numpy as np

from distill.config import KernelConfig
from kernels.engine import Engine
from kernels.networks import Network, conv_net, conv_vec, fc_net


def network_of(kernel: KernelConfig) -> Network:
    """The network that `kernel` names."""
    match kernel.network:
        case "fc":
            return fc_net(kernel.depth, kernel.W_std, kernel.b_std)
        case "conv_net":
            return conv_net(kernel.depth, kernel.prepend, kernel.W_std, kernel.b_std)
        case "conv_vec":
            return conv_vec(kernel.depth, kernel.W_std, kernel.b_std)


def engine_of(kernel: KernelConfig, image_shape: tuple[int, int, int]) -> Engine:
    """The engine of `kernel` on all devices, for images of `image_shape` (h, w, c)."""
    return Engine(network_of(kernel), kernel.get, image_shape, np.dtype(kernel.dtype))
