"""A configuration names a network, and every field of it is used."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from distill.config import KernelConfig
from distill.model import engine_of, network_of
from distill.presets import PRESETS
from kernels.networks import Network, conv_net, conv_vec, fc_net

NETWORKS: dict[str, tuple[KernelConfig, Network]] = {
    "fc": (KernelConfig("fc", 2, W_std=1.5, b_std=0.2), fc_net(2, 1.5, 0.2)),
    "conv_net": (KernelConfig("conv_net", 2, W_std=1.5, b_std=0.2), conv_net(2, True, 1.5, 0.2)),
    "no prepend": (KernelConfig("conv_net", 2, prepend=False), conv_net(2, prepend=False)),
    "conv_vec": (KernelConfig("conv_vec", 3, W_std=1.5, b_std=0.2), conv_vec(3, 1.5, 0.2)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str) -> None:
    kernel, network = NETWORKS[name]
    assert network_of(kernel) == network


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_a_network(preset: str) -> None:
    assert network_of(PRESETS[preset].kernel).layers


def test_the_engine_is_that_of_the_configuration() -> None:
    kernel = replace(PRESETS["digits"].kernel, get="nngp", dtype="float64")
    engine = engine_of(kernel, (8, 8, 1))
    assert engine.network == network_of(kernel)
    assert (engine.get, engine.dtype, engine.image_shape) == ("nngp", np.dtype(np.float64), (8, 8, 1))
    assert engine.devices == tuple(jax.devices())
    assert engine_of(PRESETS["digits"].kernel, (8, 8, 1)).dtype == np.float32
