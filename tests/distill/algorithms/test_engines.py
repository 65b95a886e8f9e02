"""A configuration names a network, and every field of it is used."""

from dataclasses import replace
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerneldistill.algorithms.engines import engine_of, network_of
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import ActivationName, KernelConfig
from kerneldistill.kernels.activations import ACTIVATIONS
from kerneldistill.kernels.activations.hermite import Hermite
from kerneldistill.kernels.architectures import conv_net, conv_vec, fc_net, myrtle, resnet, vit, wide_resnet
from kerneldistill.kernels.layers import Activation
from kerneldistill.kernels.network import Network

NETWORKS: dict[str, tuple[KernelConfig, Network]] = {
    "fc": (KernelConfig("fc", 2, W_std=1.5, b_std=0.2), fc_net(2, 1.5, 0.2)),
    "conv_net": (KernelConfig("conv_net", 2, W_std=1.5, b_std=0.2), conv_net(2, True, 1.5, 0.2)),
    "no prepend": (KernelConfig("conv_net", 2, prepend=False), conv_net(2, prepend=False)),
    "mean": (
        KernelConfig("conv_net", 1, global_pool=True, activation="erf"),
        conv_net(1, True, activation="erf", global_pool=True),
    ),
    "myrtle": (KernelConfig("myrtle", 7, W_std=1.5, b_std=0.2, pools=1), myrtle(7, 1.5, 0.2, 1)),
    "wide_resnet": (
        KernelConfig("wide_resnet", 2, groups=2, activation="gelu"),
        wide_resnet(2, activation="gelu", groups=2),
    ),
    "wide_resnet, flat": (KernelConfig("wide_resnet", 1, global_pool=False), wide_resnet(1, global_pool=False)),
    "resnet": (KernelConfig("resnet", 18, W_std=1.5, b_std=0.2), resnet(18, 1.5, 0.2)),
    "resnet, flat": (
        KernelConfig("resnet", 10, activation="erf", global_pool=False),
        resnet(10, activation="erf", global_pool=False),
    ),
    "vit": (KernelConfig("vit", 2, W_std=1.5, b_std=0.2, activation="gelu", patch=8), vit(2, 1.5, 0.2, "gelu", 8)),
    "degree": (
        KernelConfig("fc", 1, activation="tanh", activation_degree=40),
        fc_net(1, activation=Hermite(jnp.tanh, 40, 96)),
    ),
    "nodes": (
        KernelConfig("fc", 1, activation="sin", activation_nodes=90),
        fc_net(1, activation=Hermite(jnp.sin, 24, 90)),
    ),
    "standard": (KernelConfig("fc", 1, parameterization="standard", width=64), fc_net(1).standard(64)),
    "conv_vec": (KernelConfig("conv_vec", 3, W_std=1.5, b_std=0.2), conv_vec(3, 1.5, 0.2)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str) -> None:
    kernel, network = NETWORKS[name]
    assert network_of(kernel) == network


def test_every_activation_can_be_named() -> None:
    assert set(get_args(ActivationName)) == set(ACTIVATIONS)
    for name in get_args(ActivationName):
        for network in ("fc", "conv_vec"):
            assert Activation(name) in network_of(KernelConfig(network, 1, activation=name)).layers


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_a_network(preset: str) -> None:
    assert network_of(PRESETS[preset].kernel).layers


def test_the_engine_is_that_of_the_configuration() -> None:
    kernel = replace(PRESETS["digits"].kernel, get="nngp", dtype="float64")
    engine = engine_of(kernel, (8, 8, 1))
    assert engine.network == network_of(kernel)
    assert (engine.kind, engine.dtype, engine.image_shape) == ("nngp", np.dtype(np.float64), (8, 8, 1))
    assert engine.devices == tuple(jax.devices())
    assert engine_of(PRESETS["digits"].kernel, (8, 8, 1)).dtype == np.float32
