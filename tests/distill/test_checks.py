"""What a configuration must satisfy, and that every refusal names value, allowance and flag."""

from dataclasses import replace
from functools import reduce

import pytest

from distill.checks import RULES, check_image, check_support, check_values, flag, images_per_class
from distill.config import Config, KernelConfig, SupportConfig
from distill.errors import UserError
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
