"""What a data set demands of a configuration, checked when its manifest is known."""

import math
from collections.abc import Sequence

from kerneldistill.config.coarse import coarser
from kerneldistill.config.kernel_variants import sampled_kernels
from kerneldistill.config.schema import Config, KernelConfig, SupportConfig
from kerneldistill.config.validation import check
from kerneldistill.errors import UserError
from kerneldistill.kernels.names import MOST_TOKENS


def halvings(kernel: KernelConfig) -> int:
    """Return how often the network halves an image."""
    return {"conv_net": kernel.depth, "myrtle": 2 + kernel.pools, "wide_resnet": kernel.groups - 1}.get(
        kernel.network, 0
    )


def check_image(kernel: KernelConfig, image_shape: Sequence[int]) -> None:
    """Check that the network fits the images.

    Args:
      kernel: the network.
      image_shape: (height, width, channels) in pixels.

    Raises:
      UserError: an image is too small for the pools, each of which halves it, rounding down; or it has no patch, or
        more than attention takes.
    """
    most = int(math.log2(min(image_shape[0], image_shape[1])))
    for sampled in sampled_kernels(kernel) if kernel.sampled else ():
        check_image(sampled, image_shape)
    if kernel.network == "vit":
        _check_patches(kernel.patch, image_shape)
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


def _check_patches(patch: int, image_shape: Sequence[int]) -> None:
    """Check that images have from one patch to as many as attention takes."""
    height, width = image_shape[0], image_shape[1]
    largest = min(height, width)
    fitting = (side for side in range(1, largest + 1) if (height // side) * (width // side) <= MOST_TOKENS)
    least = next(fitting, largest)
    if least <= patch <= largest:
        return
    raise UserError(
        f"kernel.patch is {patch}, allowed for a vit on images of {height}x{width} pixels is {least} to {largest}, "
        f"which leaves 1 to {MOST_TOKENS} patches, whose number cubed an entry costs: set it, for example with "
        f"--kernel.patch {min(max(least, 4), largest)}"
    )


def check_levels(config: Config, image_shape: Sequence[int]) -> None:
    """Check that images [h, w, c] can be learned at every level of `config.coarse`.

    Raises:
      UserError: a size does not suit the images or the network, or the settings of a level do not go together.
    """
    while config.coarse:
        text = config.coarse[-1]
        config, image_shape = coarser(config, image_shape)
        try:
            check(config)
            check_image(config.kernel, image_shape)
        except UserError as error:
            raise UserError(f"coarse has {text!r}: {error}") from error


def check_shards(support: SupportConfig, devices: int) -> None:
    """Check that a support can be dealt to so many devices of a process.

    Raises:
      UserError: its parts do not divide the devices.
    """
    if devices % support.shards:
        raise UserError(
            f"support.shards is {support.shards}, allowed on {devices} device{'s' * (devices > 1)} is what divides "
            f"them: set, for example, --support.shards {math.gcd(devices, support.shards)}"
        )


def images_per_class(size: int, num_classes: int) -> tuple[int, ...]:
    """Deal `size` images to the classes: [num_classes] counts that differ by at most one, the larger ones first."""
    each, left = divmod(size, num_classes)
    return tuple(each + (c < left) for c in range(num_classes))


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
