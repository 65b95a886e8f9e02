"""From a configuration to the network and the engine that computes its kernel."""

from functools import lru_cache
from inspect import signature

import jax
import numpy as np

from kerneldistill.config.schema import KernelConfig
from kerneldistill.kernels.architectures import ARCHITECTURES
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.network import Network


def network_of(kernel: KernelConfig) -> Network:
    """Build the network that `kernel` names from those of its values that the builder takes; None is its default."""
    build = ARCHITECTURES[kernel.network]
    values = {name: getattr(kernel, name) for name in signature(build).parameters}
    network = build(**{name: value for name, value in values.items() if value is not None})
    return network if kernel.width is None else network.standard(kernel.width)


@lru_cache(maxsize=16)  # it holds the programs that it has compiled
def engine_of(
    kernel: KernelConfig, image_shape: tuple[int, int, int], devices: tuple[jax.Device, ...] = ()
) -> ExactEngine:
    """The engine of `kernel`, on all devices unless they are given, for images of `image_shape` (h, w, c)."""
    return ExactEngine(network_of(kernel), kernel.get, image_shape, np.dtype(kernel.dtype), devices)
