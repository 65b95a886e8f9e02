"""What a configuration must satisfy, and that every refusal names value, allowance and flag."""

from dataclasses import replace
from functools import reduce

import pytest

from distill.checks import RULES, check_image, check_support, check_values, flag, halvings, images_per_class
from distill.config import Config, KernelConfig, SupportConfig
from distill.errors import UserError
from distill.model import network_of
from distill.presets import PRESETS

DIGITS = PRESETS["digits"]


def changed(name: str, value: object) -> Config:
    """`digits` with one value changed, by dotted name."""
    *groups, leaf = name.split(".")
    if not groups:
        return replace(DIGITS, **{leaf: value})
    return replace(DIGITS, **{groups[0]: replace(getattr(DIGITS, groups[0]), **{leaf: value})})


BAD = {
    "kernel.depth": [0, -1],
    "kernel.pools": [-1],
    "kernel.groups": [0],
    "kernel.W_std": [0.0, -1.0, float("inf"), float("nan")],
    "kernel.b_std": [-0.1, float("nan")],
    "support.size": [0],
    "optim.learning_rate": [0.0, -1e-3, float("nan")],
    "optim.steps": [-1],
    "optim.target_batch": [0],
    "krr.ridge": [-1e-9, float("nan")],
    "evaluate.every": [0],
    "evaluate.baseline_draws": [-1],
    "checkpoint.every": [0],
    "checkpoint.keep": [0],
    "checkpoint.minutes": [-1.0, float("nan")],
    "seed": [-1, 2**32],
}


def test_every_rule_has_its_bad_values() -> None:
    assert {rule.name for rule in RULES} == set(BAD)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_value_is_refused_in_one_line(name: str, value: float) -> None:
    with pytest.raises(UserError) as caught:
        check_values(changed(name, value))
    message = str(caught.value)
    assert message.startswith(f"{name} is {value!r}, allowed is ")
    assert flag(name) in message
    assert "\n" not in message


def test_the_examples_in_the_messages_are_allowed() -> None:
    for rule in RULES:
        kind = type(reduce(getattr, rule.name.split("."), DIGITS))
        assert rule.accepts(kind(rule.example))


@pytest.mark.parametrize(("name", "value"), [("optim.steps", 0), ("krr.ridge", 0.0), ("kernel.b_std", 0.0)])
def test_edges_are_allowed(name: str, value: float) -> None:
    check_values(changed(name, value))


def test_a_data_set_on_disk_needs_its_folder() -> None:
    with pytest.raises(UserError, match=r"data\.dir is not set.*'cifar10'.*--data\.dir FOLDER"):
        check_values(PRESETS["cifar10-fc1"])


@pytest.mark.parametrize(
    ("network", "depth", "shape", "fits"),
    [
        ("conv_net", 3, (8, 8, 1), True),
        ("conv_net", 4, (8, 8, 1), False),
        ("conv_net", 3, (28, 7, 1), False),
        ("conv_vec", 8, (4, 4, 3), True),
        ("fc", 9, (2, 2, 1), True),
    ],
)
def test_pools_must_fit_the_image(network: str, depth: int, shape: tuple[int, int, int], fits: bool) -> None:
    kernel = KernelConfig(network=network, depth=depth)
    if fits:
        check_image(kernel, shape)
    else:
        with pytest.raises(UserError, match=rf"kernel\.depth is {depth}.*{shape[0]}x{shape[1]}.*--kernel\.depth"):
            check_image(kernel, shape)


KERNELS = [
    KernelConfig("fc", 3),
    KernelConfig("conv_net", 2),
    KernelConfig("conv_vec", 3),
    KernelConfig("myrtle", 5, pools=1),
    KernelConfig("wide_resnet", 1, groups=4),
]


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_image_is_refused_exactly_where_the_network_refuses_it(kernel: KernelConfig) -> None:
    for size in (1, 2, 3, 4, 7, 8):
        shape, network = (size, 9, 1), network_of(kernel)
        try:
            network.check_images(shape)
        except ValueError:
            with pytest.raises(UserError, match=rf"halves them {halvings(kernel)} times.*--kernel\.network conv_vec"):
                check_image(kernel, shape)
        else:
            check_image(kernel, shape)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (KernelConfig("myrtle", 6), r"kernel\.depth is 6, .*5, 7, 10.*--kernel\.depth 5"),
        (KernelConfig("fc", 1, global_pool=False), r"kernel\.global_pool is False.*--kernel\.global-pool None"),
        (KernelConfig("fc", 1, parameterization="standard"), r"kernel\.width is None.*--kernel\.width 1024"),
        (KernelConfig("fc", 1, parameterization="standard", width=0), r"kernel\.width is 0.*--kernel\.width 1024"),
        (KernelConfig("fc", 1, width=64), r"kernel\.width is 64.*--kernel\.parameterization standard"),
    ],
)
def test_values_of_a_kernel_must_go_together(kernel: KernelConfig, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_values(replace(DIGITS, kernel=kernel))


def test_images_are_dealt_evenly() -> None:
    assert images_per_class(10, 5) == (2, 2, 2, 2, 2)
    assert images_per_class(12, 5) == (3, 3, 2, 2, 2)


@pytest.mark.parametrize(("size", "counts"), [(2, (9, 9)), (18, (9, 9)), (19, (10, 9))])
def test_reachable_supports(size: int, counts: tuple[int, ...]) -> None:
    check_support(SupportConfig(size=size), counts)


def test_a_support_smaller_than_the_classes_is_refused() -> None:
    with pytest.raises(UserError, match=r"support\.size is 9, .* 10 classes .*--support\.size 10"):
        check_support(SupportConfig(size=9), (5,) * 10)


def test_a_support_larger_than_a_class_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"support\.size is 12, .*4 real images of class 1, but it has 3.*--support\.size 9 "
    ):
        check_support(SupportConfig(size=12), (9, 3, 9))
