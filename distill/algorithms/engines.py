"""From a configuration to the network and the engine that computes its kernel."""

from functools import lru_cache
from inspect import signature
from typing import Any

import jax
import numpy as np

from kerneldistill.config.schema import KernelConfig
from kerneldistill.kernels.architectures import ARCHITECTURES
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.network import Network


def network_of(kernel: KernelConfig) -> Network:
    """Build the network that `kernel` names."""
    network = ARCHITECTURES[kernel.network](**builder_arguments(kernel))
    return network if kernel.width is None else network.standard(kernel.width)


def builder_arguments(kernel: KernelConfig) -> dict[str, Any]:
    """Return those values of `kernel` that the builder of its network takes; None is its default."""
    values = {name: getattr(kernel, name) for name in signature(ARCHITECTURES[kernel.network]).parameters}
    return {name: value for name, value in values.items() if value is not None}


@lru_cache(maxsize=16)  # it holds the programs that it has compiled
def engine_of(
    kernel: KernelConfig, image_shape: tuple[int, int, int], devices: tuple[jax.Device, ...] = ()
) -> ExactEngine:
    """The engine of `kernel`, on all devices unless they are given, for images of `image_shape` (h, w, c)."""
    return ExactEngine(network_of(kernel), kernel.get, image_shape, np.dtype(kernel.dtype), devices)
