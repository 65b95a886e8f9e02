"""Names of kernels: different networks have different ones, and KIP's networks have KIP's."""

from dataclasses import replace
from itertools import product

import pytest

from kerneldistill.config.coarse import coarser
from kerneldistill.config.kernel_names import architecture_name, kernel_name, level_name, start_name
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import KernelConfig, SupportConfig


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        (KernelConfig("conv_net", 3), "ConvNet"),
        (KernelConfig("conv_net", 3, prepend=False), "ConvNet3"),
        (KernelConfig("conv_net", 2), "ConvNet2p"),
        (KernelConfig("conv_net", 2, prepend=False), "ConvNet2"),
        (KernelConfig("fc", 1), "fc1"),
    ],
)
def test_kips_networks_have_kips_names(kernel: KernelConfig, name: str) -> None:
    assert architecture_name(kernel) == name


def test_networks_that_differ_have_names_that_differ() -> None:
    networks = [
        KernelConfig("conv_net", depth, prepend=prepend) for depth, prepend in product(range(1, 6), (True, False))
    ]
    assert len({architecture_name(network) for network in networks}) == len(networks)
    assert len({kernel_name(network) for network in networks}) == len(networks)


def test_levels_and_starts_have_names() -> None:
    config = PRESETS["cifar10-convnet-1-kip"]
    level, _ = coarser(replace(config, coarse=(16,)), (32, 32, 3))
    assert (level_name(level), level_name(config)) == ("16x16 conv_net d2 ntk", "conv_net d3 ntk")
    starts = [config, replace(config, coarse=(16,)), replace(config, support=SupportConfig(10, start="runs/other"))]
    names = ["real images", "learned at a coarser level", "a set learned before"]
    assert [start_name(each) for each in starts] == names
