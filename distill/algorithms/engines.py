"""From a configuration to the network and the engine that computes its kernel."""

from collections.abc import Callable
from functools import lru_cache
from inspect import signature
from typing import Any

import jax
import numpy as np

from kerneldistill.algorithms.encoders import encoder_of
from kerneldistill.config.schema import FEATURES, KernelConfig
from kerneldistill.errors import UserError
from kerneldistill.kernels.activations import expansion
from kerneldistill.kernels.architectures import ARCHITECTURES
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.feature_engine import FeatureEngine
from kerneldistill.kernels.feature_kernel import FeatureKernel
from kerneldistill.kernels.network import Network


def network_of(kernel: KernelConfig) -> Network:
    """Build the network that `kernel` names.

    Raises:
      UserError: it names features of an encoder, which have none.
    """
    network = builder_of(kernel)(**builder_arguments(kernel))
    return network if kernel.width is None else network.standard(kernel.width)


def builder_of(kernel: KernelConfig) -> Callable[..., Network]:
    """The function that builds the network of `kernel`; raises as `network_of`."""
    if kernel.network == FEATURES:
        raise UserError(
            f"kernel.network is features, of {kernel.encoder!r}, and this takes an infinitely wide network: name one, "
            "for example with --kernel.network conv_net"
        )
    return ARCHITECTURES[kernel.network]


def builder_arguments(kernel: KernelConfig) -> dict[str, Any]:
    """Return those values of `kernel` that the builder of its network takes; None is its default."""
    values = {name: getattr(kernel, name) for name in signature(builder_of(kernel)).parameters}
    if kernel.activation_degree is not None or kernel.activation_nodes is not None:
        values["activation"] = expansion(kernel.activation, kernel.activation_degree, kernel.activation_nodes)
    return {name: value for name, value in values.items() if value is not None}


def engine_of(
    kernel: KernelConfig, image_shape: tuple[int, int, int], devices: tuple[jax.Device, ...] = (), shards: int = 1
) -> ExactEngine | FeatureEngine:
    """The engine of `kernel`, on all devices unless they are given, for images of `image_shape` (h, w, c).

    shards: parts that the support is dealt in, where the engine is of a network

    Raises:
      UserError: it is of features, and their encoder was not given.
    """
    if kernel.network == FEATURES:
        return _feature_engine(kernel, encoder_of(kernel), image_shape, devices)
    return exact_engine_of(kernel, image_shape, devices, shards)


@lru_cache(maxsize=4)
def _feature_engine(
    kernel: KernelConfig,
    encoder: FeatureKernel,
    image_shape: tuple[int, int, int],
    devices: tuple[jax.Device, ...],
) -> FeatureEngine:
    """By the encoder itself: another may have its name later."""
    own = FeatureKernel(encoder.phi, kernel.b_std)
    return FeatureEngine(own, image_shape, np.dtype(kernel.dtype), devices)


@lru_cache(maxsize=16)  # it holds the programs that it has compiled
def exact_engine_of(
    kernel: KernelConfig, image_shape: tuple[int, int, int], devices: tuple[jax.Device, ...] = (), shards: int = 1
) -> ExactEngine:
    """The engine of the exact kernel of a network; see `engine_of`."""
    return ExactEngine(network_of(kernel), kernel.get, image_shape, np.dtype(kernel.dtype), devices, shards)
