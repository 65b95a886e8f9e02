"""What a configuration must satisfy, and that every refusal names value, allowance and flag."""

import re
from dataclasses import replace

import pytest

from kerneldistill.algorithms.engines import network_of
from kerneldistill.config.data_limits import check_image, check_support, halvings, images_per_class
from kerneldistill.config.kernel_variants import sampled_kernels
from kerneldistill.config.parsing import first_fault
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import (
    Config,
    GrowthConfig,
    KernelConfig,
    KrrConfig,
    ScheduleConfig,
    SupportConfig,
)
from kerneldistill.config.settings import flag, settings
from kerneldistill.config.validation import check, check_kernel
from kerneldistill.errors import UserError

DIGITS = PRESETS["digits"]
# A type with a number that is no part of a name or a list.
NUMBER = re.compile(r"(?<!tuple\[)\b(int|float)\b(?!\d)")


def changed(name: str, value: object) -> Config:
    """`digits` with one value changed, by dotted name."""

    def inside(of: object, parts: list[str]) -> object:
        return replace(of, **{parts[0]: inside(getattr(of, parts[0]), parts[1:])}) if parts else value

    return inside(DIGITS, name.split("."))


BAD = {
    "kernel.depth": [0, -1],
    "kernel.pools": [-1],
    "kernel.groups": [0],
    "kernel.patch": [0],
    "kernel.W_std": [0.0, -1.0, float("inf"), float("nan")],
    "kernel.width": [0, -1],
    "kernel.activation_degree": [0],
    "kernel.activation_nodes": [0],
    "kernel.b_std": [-0.1, float("nan")],
    "support.size": [0],
    "loss.temperature": [0.0, float("inf")],
    "augment.strength.flip": [-0.1, 1.1],
    "augment.strength.crop": [-0.1, 1.1, float("nan")],
    "augment.strength.rotate": [-1.0],
    "augment.strength.scale": [0.9, float("inf")],
    "augment.strength.brightness": [-1.0],
    "augment.strength.saturation": [-1.0],
    "augment.strength.contrast": [-1.0],
    "augment.strength.cutout": [-0.1, 1.1],
    "augment.strength.magnitude": [-0.1, 1.1, float("nan")],
    "augment.number": [-1],
    "random_features.networks": [-1],
    "random_features.width": [0],
    "random_features.judges": [0],
    "support.refit_targets": [0],
    "support.shards": [0],
    "optim.learning_rate": [0.0, -1e-3, float("nan")],
    "optim.label_learning_rate": [0.0, float("nan")],
    "optim.temperature_learning_rate": [0.0],
    "optim.schedule.warmup": [-1],
    "optim.schedule.end": [-0.1],
    "optim.schedule.drop": [0.0],
    "optim.momentum": [-0.1, 1.0],
    "optim.second_momentum": [-0.1, 1.0],
    "optim.epsilon": [0.0],
    "optim.weight_decay": [-0.1],
    "optim.clip": [0.0],
    "optim.steps": [-1],
    "optim.target_batch": [0],
    "optim.growth.first": [0],
    "optim.growth.sizes": [1],
    "optim.growth.noise": [0.0],
    "optim.average": [0.0, 1.1],
    "optim.gauss_newton.memory": [0],
    "optim.gauss_newton.damping": [0.0],
    "optim.gauss_newton.last_damping": [0.0],
    "optim.gauss_newton.iterations": [0],
    "krr.ridge": [-1e-9, float("nan")],
    "krr.first_ridge": [0.0, float("inf")],
    "krr.ridge_steps": [0],
    "optim.patience": [0],
    "optim.transform_learning_rate": [0.0, -1.0],
    "evaluate.every": [0],
    "evaluate.baseline_draws": [-1],
    "checkpoint.every": [0],
    "checkpoint.keep": [0],
    "checkpoint.minutes": [-1.0, float("nan")],
    "seed": [-1, 2**32],
}


def test_every_number_has_its_bad_values() -> None:
    own = [setting for setting in settings().values() if not setting.name.startswith("data.")]
    assert {setting.name for setting in own if NUMBER.search(str(setting.type))} == set(BAD)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_value_is_refused_in_one_line(name: str, value: float) -> None:
    with pytest.raises(UserError) as caught:
        check(changed(name, value))
    message = str(caught.value)
    assert message.startswith(f"{name} is {value!r}, allowed is ")
    assert flag(name) in message
    assert "\n" not in message


@pytest.mark.parametrize("name", BAD)
def test_the_examples_in_the_messages_are_allowed(name: str) -> None:
    assert settings()[name].example is not None
    assert first_fault(changed(name, settings()[name].example)) is None


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("optim.steps", "10", "a whole number from 0 up: set it, for example with --optim.steps 300"),
        ("optim.target_batch", 10.5, "a whole number from 1 up"),
        ("kernel.network", "vgg", "'fc', 'conv_net', .*--kernel.network conv_net"),
        ("support.flip", 1, "a valid boolean"),
        ("loss", "mse", r"a table \[loss\]"),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, value: object, allowed: str) -> None:
    with pytest.raises(UserError, match=f"{name} is {value!r}, allowed is {allowed}") as caught:
        check(changed(name, value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("optim.steps", 0), ("krr.ridge", 0.0), ("kernel.b_std", 0.0), ("optim.clip", None)]
)
def test_edges_are_allowed(name: str, value: float) -> None:
    check(changed(name, value))


def test_a_data_set_on_disk_needs_its_folder() -> None:
    with pytest.raises(UserError, match=r"data\.dir is not set.*'cifar10'.*--data\.dir FOLDER"):
        check(PRESETS["cifar10-fc1"])


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
    KernelConfig("resnet", 10),
    KernelConfig("vit", 1),
    KernelConfig("vit", 1, patch=1),
]


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_image_is_refused_exactly_where_the_network_refuses_it(kernel: KernelConfig) -> None:
    for size in (1, 2, 3, 4, 7, 8):
        shape, network = (size, 9, 1), network_of(kernel)
        try:
            network.check_images(shape)
        except ValueError:
            told = rf"halves them {halvings(kernel)} times.*--kernel\.network conv_vec|a vit on images.*--kernel\.patch"
            with pytest.raises(UserError, match=told):
                check_image(kernel, shape)
        else:
            check_image(kernel, shape)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "optim.schedule",
            ScheduleConfig("piecewise"),
            r"schedule\.at is \(\), .*--optim\.schedule\.at 100 200",
        ),
        ("optim.schedule", ScheduleConfig("piecewise", at=(5, 3)), r"at is \(5, 3\), .*ascending"),
        ("optim.growth", GrowthConfig("piecewise"), r"optim\.growth\.at is \(\), .*--optim\.growth\.at 100 200"),
        (
            "optim.growth",
            GrowthConfig("noise", first=401),
            r"growth\.first is 401, allowed is at most .* 400, to which",
        ),
        ("krr", KrrConfig(0.0, first_ridge=0.1), r"krr\.first_ridge is 0\.1.*--krr\.first-ridge None"),
        ("random_features.networks", 4, r"random_features\.networks is 4.*--kernel\.get nngp"),
        ("kernel.sampled", ("depth=0",), r"kernel\.sampled has 'depth=0': kernel\.depth is 0"),
        ("kernel.sampled", ("same", "network=myrtle"), r"'network=myrtle': kernel\.depth is 2, .*5, 7, 10"),
        (
            "kernel.sampled",
            ("depth",),
            r"sampled has 'depth', allowed is 'same' or NAME=VALUE.*--kernel\.sampled",
        ),
        ("kernel.sampled", ("dtype=float64",), r"has 'dtype=float64', and 'dtype' is no setting there"),
        ("kernel.sampled", ("depth=x",), r"has 'depth=x', allowed as depth is a valid integer"),
    ],
)
def test_values_of_the_loop_must_go_together(name: str, value: object, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        check(changed(name, value))
    assert "\n" not in str(caught.value)


def test_every_sampled_kernel_must_fit_the_image() -> None:
    kernel = KernelConfig("fc", 1, sampled=("same", "network=conv_net,depth=4"))
    with pytest.raises(UserError, match=r"kernel\.depth is 4.*8x8"):
        check_image(kernel, (8, 8, 1))


def test_sampled_kernels_change_the_main_one() -> None:
    main = KernelConfig("conv_net", 3, activation="erf", sampled=("same", " network = conv_vec, depth=8,width=None "))
    alone = replace(main, sampled=())
    assert sampled_kernels(main) == (alone, replace(alone, network="conv_vec", depth=8))
    assert sampled_kernels(alone) == (alone,)


def test_noise_needs_no_real_images() -> None:
    check_support(SupportConfig(12, start="noise"), (1, 1))
    with pytest.raises(UserError, match=r"support\.size is 1, .* 2 classes"):
        check_support(SupportConfig(1, start="noise"), (1, 1))


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


@pytest.mark.parametrize(
    ("kernel", "size"),
    [
        ({"W_std": 1e-10, "b_std": 0.0}, "is 0 in"),
        ({"W_std": 1e-200, "b_std": 0.0}, "is 0 in"),
        ({"W_std": 1e20}, "infinite in float32"),
        ({"W_std": 1e200}, "infinite in float32"),
        ({"b_std": 1e30}, "infinite in float32"),
    ],
)
def test_a_kernel_beyond_its_precision_is_refused(kernel: dict[str, float], size: str) -> None:
    with pytest.raises(UserError, match=size):
        check_kernel(KernelConfig(network="fc", depth=3, **kernel))
    check_kernel(KernelConfig(network="fc", depth=3, W_std=1e-10))
    check_kernel(KernelConfig(network="fc", depth=1000, W_std=2**0.5, b_std=0.0))
