"""What the values of a `Config` must satisfy, checked before anything slow starts.

Three moments: `check_values` when the configuration is read, `check_image` and `check_support` when the data set's
manifest is known. Every message names the value, what is allowed and the flag that changes it.
"""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

from distill.config import Config, KernelConfig, SupportConfig
from distill.errors import UserError


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


RULES: tuple[Rule, ...] = (
    _at_least("kernel.depth", 1, "3"),
    _at_least("kernel.pools", 0, "3"),
    _at_least("kernel.groups", 1, "3"),
    _positive("kernel.W_std", "1.4142135623730951"),
    _not_negative("kernel.b_std", "0.1"),
    _at_least("support.size", 1, "10"),
    _positive("optim.learning_rate", "0.04"),
    _at_least("optim.steps", 0, "300"),
    _at_least("optim.target_batch", 1, "5000"),
    _not_negative("krr.ridge", "1e-6"),
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
      UserError: a value is out of its range, or a data set other than `digits` has no folder.
    """
    for rule in RULES:
        value = reduce(getattr, rule.name.split("."), config)
        if not rule.accepts(value):
            raise UserError(
                f"{rule.name} is {value!r}, allowed is {rule.allowed}: "
                f"set it, for example with {flag(rule.name)} {rule.example}"
            )
    check_kernel(config.kernel)
    if config.data.name != "digits" and config.data.dir is None:
        raise UserError(
            f"data.dir is not set, and the data set {config.data.name!r} is read from disk: "
            f"name the TFDS folder that holds {config.data.name}/VERSION with --data.dir FOLDER"
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


def check_support(support: SupportConfig, class_counts: Sequence[int]) -> None:
    """Check that the learned set can start from real images of every class.

    Args:
      support: the learned set.
      class_counts: [num_classes] training images of each class, validation images taken off.

    Raises:
      UserError: a class would get no image, or has fewer real ones than it needs.
    """
    num_classes = len(class_counts)
    if support.size < num_classes:
        raise UserError(
            f"support.size is {support.size}, but the data set has {num_classes} classes and each needs an image: "
            f"set --support.size {num_classes} or more"
        )
    for label, (needed, present) in enumerate(
        zip(images_per_class(support.size, num_classes), class_counts, strict=True)
    ):
        if needed > present:
            raise UserError(
                f"support.size is {support.size}, which takes {needed} real images of class {label}, but it "
                f"has {present} for training: set --support.size {present * num_classes} or less"
            )
