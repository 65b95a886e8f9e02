"""Values of a kernel that do not go together, each refused by its name, with what is allowed."""

from dataclasses import replace

import pytest

from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import KernelConfig
from kerneldistill.config.validation import check
from kerneldistill.errors import UserError


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (KernelConfig("myrtle", 6), r"kernel\.depth is 6, .*5, 7, 10.*--kernel\.depth 5"),
        (KernelConfig("resnet", 20), r"kernel\.depth is 20, .*resnet network is one of 10, 18, 34.*--kernel\.depth 10"),
        (
            KernelConfig("fc", 1, activation_degree=30),
            r"activation_degree is 30, but relu has a closed form.*-degree None.*--kernel\.activation sin or softplus",
        ),
        (
            KernelConfig("fc", 1, activation="gelu", activation_nodes=30),
            r"activation_nodes is 30, but gelu has a closed form.*--kernel\.activation-nodes None",
        ),
        (
            KernelConfig("fc", 1, activation="tanh", activation_degree=30, activation_nodes=30),
            r"activation_nodes is 30, allowed with a kernel\.activation_degree of 30 is .*above it and at most 200",
        ),
        (
            KernelConfig("fc", 1, activation="tanh", activation_degree=93),
            r"activation_nodes is 202, .*--kernel\.activation-degree 48 --kernel\.activation-nodes 112",
        ),
        (KernelConfig("fc", 1, global_pool=False), r"kernel\.global_pool is False.*--kernel\.global-pool None"),
        (KernelConfig("fc", 1, parameterization="standard"), r"kernel\.width is None.*--kernel\.width 1024"),
        (KernelConfig("fc", 1, parameterization="standard", width=0), r"kernel\.width is 0.*--kernel\.width 1024"),
        (KernelConfig("fc", 1, width=64), r"kernel\.width is 64.*--kernel\.parameterization standard"),
    ],
)
def test_values_of_a_kernel_must_go_together(kernel: KernelConfig, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(replace(PRESETS["digits"], kernel=kernel))
