"""What the values of a `Config` must satisfy, checked before anything slow starts.

Three moments: `check_values` when the configuration is read, `check_image` and `check_support` when the data set's
manifest is known. Every message names the value, what is allowed and the flag that changes it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import NamedTuple

from kerneldistill.config.kernel_variants import sampled_kernels
from kerneldistill.config.schema import Config, KernelConfig, SupportConfig
from kerneldistill.errors import UserError


class Rule(NamedTuple):
    """One allowed range.

    name: dotted name in `Config`
    accepts: whether a value is allowed
    allowed: the same in words
    example: a good value
    """

    name: str
    accepts: Callable[[float], bool]
    allowed: str
    example: str


def _at_least(name: str, least: int, example: str) -> Rule:
    return Rule(name, lambda value: value >= least, f"a whole number from {least} up", example)


def _positive(name: str, example: str) -> Rule:
    return Rule(name, lambda value: value > 0 and math.isfinite(value), "a finite number above 0", example)


def _not_negative(name: str, example: str) -> Rule:
    return Rule(name, lambda value: value >= 0 and math.isfinite(value), "a finite number from 0 up", example)


def _optional(rule: Rule) -> Rule:
    return rule._replace(accepts=lambda value: value is None or rule.accepts(value), allowed=f"{rule.allowed}, or None")


def _part(name: str, example: str) -> Rule:
    return Rule(name, lambda value: 0 <= value <= 1, "a number from 0 to 1", example)


RULES: tuple[Rule, ...] = (
    _at_least("kernel.depth", 1, "3"),
    _at_least("kernel.pools", 0, "3"),
    _at_least("kernel.groups", 1, "3"),
    _positive("kernel.W_std", "1.4142135623730951"),
    _not_negative("kernel.b_std", "0.1"),
    _at_least("support.size", 1, "10"),
    _positive("loss.temperature", "0.1"),
    _part("augment.strength.flip", "0.5"),
    _part("augment.strength.crop", "0.125"),
    _not_negative("augment.strength.rotate", "15"),
    Rule("augment.strength.scale", lambda value: 1 <= value < math.inf, "a finite number from 1 up", "1.2"),
    _not_negative("augment.strength.brightness", "1.0"),
    _not_negative("augment.strength.saturation", "2.0"),
    _not_negative("augment.strength.contrast", "0.5"),
    _part("augment.strength.cutout", "0.5"),
    _at_least("random_features.networks", 0, "8"),
    _at_least("random_features.width", 1, "256"),
    _at_least("random_features.judges", 1, "16"),
    _positive("optim.learning_rate", "0.04"),
    _optional(_positive("optim.label_learning_rate", "0.01")),
    _positive("optim.temperature_learning_rate", "0.01"),
    _at_least("optim.schedule.warmup", 0, "100"),
    _not_negative("optim.schedule.end", "0.1"),
    _positive("optim.schedule.drop", "0.1"),
    Rule("optim.momentum", lambda value: 0 <= value < 1, "a number from 0 to below 1", "0.9"),
    Rule("optim.second_momentum", lambda value: 0 <= value < 1, "a number from 0 to below 1", "0.999"),
    _optional(_positive("optim.epsilon", "1e-8")),
    _not_negative("optim.weight_decay", "0.01"),
    _optional(_positive("optim.clip", "1.0")),
    _at_least("optim.steps", 0, "300"),
    _at_least("optim.target_batch", 1, "5000"),
    _not_negative("krr.ridge", "1e-6"),
    _optional(_positive("krr.first_ridge", "0.01")),
    _optional(_at_least("krr.ridge_steps", 1, "100")),
    _at_least("evaluate.every", 1, "20"),
    _at_least("evaluate.baseline_draws", 0, "5"),
    _at_least("checkpoint.every", 1, "500"),
    _not_negative("checkpoint.minutes", "10"),
    _at_least("checkpoint.keep", 1, "3"),
    # numpy and jax both take seeds of 32 bits without folding two of them into one.
    Rule("seed", lambda value: 0 <= value < 2**32, "a whole number from 0 to 4294967295", "0"),
)


# Of which there is a network.
MYRTLE_DEPTHS = (5, 7, 10)


def flag(name: str) -> str:
    """The command line flag of a dotted name: `optim.learning_rate` -> `--optim.learning-rate`."""
    return "--" + name.replace("_", "-")


def check_values(config: Config) -> None:
    """Check everything that can be known without the data.

    Raises:
      UserError: a value is out of its range, or a data set that is not built in has no folder.
    """
    _check_rules(config, RULES)
    check_kernel(config.kernel)
    of_kernel = [rule for rule in RULES if rule.name.startswith("kernel.")]
    for text, kernel in zip(config.kernel.sampled, sampled_kernels(config.kernel), strict=False):
        try:
            _check_rules(replace(config, kernel=kernel), of_kernel)
            check_kernel(kernel)
        except UserError as error:
            raise UserError(f"kernel.sampled has {text!r}: {error}") from error
    _check_learning(config)
    if not config.data.is_built_in and config.data.dir is None:
        raise UserError(
            f"data.dir is not set, and the data set {config.data.name!r} is read from disk: "
            f"name the TFDS folder that holds {config.data.name}/VERSION with --data.dir FOLDER"
        )


def _check_rules(config: Config, rules: Sequence[Rule]) -> None:
    for rule in rules:
        value = reduce(getattr, rule.name.split("."), config)
        if not rule.accepts(value):
            raise UserError(
                f"{rule.name} is {value!r}, allowed is {rule.allowed}: "
                f"set it, for example with {flag(rule.name)} {rule.example}"
            )


def _check_learning(config: Config) -> None:
    """Values of the outer loop that must go together."""
    at, krr = config.optim.schedule.at, config.krr
    if config.optim.schedule.name == "piecewise" and not (at and at[0] > 0 and list(at) == sorted(set(at))):
        raise UserError(
            f"optim.schedule.at is {at!r}, allowed in a piecewise schedule are one or more steps above 0, ascending: "
            "set it, for example with --optim.schedule.at 100 200"
        )
    if krr.first_ridge is not None and krr.ridge == 0:
        raise UserError(
            f"krr.first_ridge is {krr.first_ridge!r}, but from it no geometric series goes to a krr.ridge of 0: set "
            "--krr.ridge above 0, or leave it out (--krr.first-ridge None)"
        )
    if config.random_features.networks and any(kernel.get != "nngp" for kernel in sampled_kernels(config.kernel)):
        raise UserError(
            f"random_features.networks is {config.random_features.networks}, but random features estimate the kernel "
            "nngp alone (an ntk has a feature for each weight): set --kernel.get nngp, or --random-features.networks 0"
        )


def check_kernel(kernel: KernelConfig) -> None:
    """Check that the values of a network go together.

    Raises:
      UserError: a Myrtle network of a depth there is none of, a head the network does not have, a width in the NTK
        parameterisation, or none in the standard one.
    """
    if kernel.network == "myrtle" and kernel.depth not in MYRTLE_DEPTHS:
        raise UserError(
            f"kernel.depth is {kernel.depth}, allowed for a myrtle network is one of "
            f"{', '.join(map(str, MYRTLE_DEPTHS))}: set it, for example with --kernel.depth 5"
        )
    if kernel.global_pool is not None and kernel.network not in ("conv_net", "wide_resnet"):
        raise UserError(
            f"kernel.global_pool is {kernel.global_pool}, but a {kernel.network} has one head only: leave it out "
            "(--kernel.global-pool None), or set --kernel.network conv_net or wide_resnet"
        )
    if kernel.parameterization == "standard" and (kernel.width is None or kernel.width < 1):
        raise UserError(
            f"kernel.width is {kernel.width}, allowed in the standard parameterisation is a whole number from 1 up: "
            "set it, for example with --kernel.width 1024"
        )
    if kernel.parameterization == "ntk" and kernel.width is not None:
        raise UserError(
            f"kernel.width is {kernel.width}, but the NTK parameterisation has none: leave it out "
            "(--kernel.width None), or set --kernel.parameterization standard"
        )


def halvings(kernel: KernelConfig) -> int:
    """How often the network halves an image."""
    return {"conv_net": kernel.depth, "myrtle": 2 + kernel.pools, "wide_resnet": kernel.groups - 1}.get(
        kernel.network, 0
    )


def check_image(kernel: KernelConfig, image_shape: Sequence[int]) -> None:
    """Check that the network fits the images.

    Args:
      kernel: the network.
      image_shape: (height, width, channels) in pixels.

    Raises:
      UserError: an image is too small for the pools; each of them halves it, rounding down.
    """
    most = int(math.log2(min(image_shape[0], image_shape[1])))
    for sampled in sampled_kernels(kernel) if kernel.sampled else ():
        check_image(sampled, image_shape)
    if halvings(kernel) <= most:
        return
    name, remedy = {
        "conv_net": ("depth", f"set --kernel.depth {max(1, most)} or less, or"),
        "myrtle": ("pools", f"set --kernel.pools {most - 2}, or" if most >= 2 else "set"),
        "wide_resnet": ("groups", f"set --kernel.groups {most + 1} or less, or"),
    }[kernel.network]
    raise UserError(
        f"kernel.{name} is {getattr(kernel, name)}, but images of {image_shape[0]}x{image_shape[1]} pixels can be "
        f"halved {most} times and this {kernel.network} halves them {halvings(kernel)} times: {remedy} a network "
        "without pools, --kernel.network conv_vec"
    )


def images_per_class(size: int, num_classes: int) -> tuple[int, ...]:
    """Deal `size` images to the classes: [num_classes] counts that differ by at most one, the larger ones first."""
    each, left = divmod(size, num_classes)
    return tuple(each + (c < left) for c in range(num_classes))


def bundle_folder(start: str) -> Path:
    """The folder of the bundle that `support.start` names: itself, or the bundle of a run directory.

    Raises:
      UserError: there is no bundle.
    """
    folder = Path(start).expanduser()
    for place in (folder, folder / "bundle"):
        if (place / "manifest.json").is_file():
            return place
    raise UserError(
        f"support.start is {start!r}, allowed is real, noise, or a folder with a bundle or a finished run; this one "
        "has no manifest.json: name another one with --support.start"
    )


def check_support(support: SupportConfig, class_counts: Sequence[int]) -> None:
    """Check that the learned set can start as it should.

    Args:
      support: the learned set.
      class_counts: [num_classes] training images of each class, validation images taken off.

    Raises:
      UserError: a class would get no image, or has fewer real ones than it needs.
    """
    num_classes = len(class_counts)
    if support.start not in ("real", "noise"):  # checked where it is read
        return
    if support.size < num_classes:
        raise UserError(
            f"support.size is {support.size}, but the data set has {num_classes} classes and each needs an image: "
            f"set --support.size {num_classes} or more"
        )
    if support.start == "noise":
        return
    for label, (needed, present) in enumerate(
        zip(images_per_class(support.size, num_classes), class_counts, strict=True)
    ):
        if needed > present:
            raise UserError(
                f"support.size is {support.size}, which takes {needed} real images of class {label}, but it "
                f"has {present} for training: set --support.size {present * num_classes} or less, or "
                "--support.start noise"
            )
