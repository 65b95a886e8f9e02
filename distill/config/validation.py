"""What the values of a `Config` must satisfy, checked before anything slow starts.

Every message names the value, what is allowed, and the flag that changes it. `config.data_limits` holds what can be
checked only when the data set is known.
"""

import math
from dataclasses import replace

from kerneldistill.config.coarse import levels_of
from kerneldistill.config.kernel_variants import sampled_kernels
from kerneldistill.config.parsing import first_fault
from kerneldistill.config.schema import FEATURES, AugmentConfig, Config, GrowthConfig, KernelConfig, ScheduleConfig
from kerneldistill.errors import UserError
from kerneldistill.kernels.names import EXPANDED, MYRTLE_DEPTHS, RESNET_DEPTHS

# Beyond, the polynomials of the quadrature leave the numbers of float64.
_MOST_NODES = 200


def check(config: Config) -> None:
    """Check every value of a configuration, its type and its range, and that they go together.

    Raises:
      UserError: a value is impossible, or a data set that is not built in has no folder.
    """
    _check_each(config)
    check_kernel(config.kernel)
    for text, kernel in zip(config.kernel.sampled, sampled_kernels(config.kernel), strict=False):
        try:
            _check_each(replace(config, kernel=kernel))
            check_kernel(kernel)
        except UserError as error:
            raise UserError(f"kernel.sampled has {text!r}: {error}") from error
    _check_features(config)
    _check_shards(config)
    _check_learning(config)
    _check_augmentation(config.augment)
    levels_of(config)
    if not config.data.is_built_in and config.data.dir is None:
        raise UserError(
            f"data.dir is not set, and the data set {config.data.name!r} is read from disk: "
            f"name the TFDS folder that holds {config.data.name}/VERSION with --data.dir FOLDER"
        )


def with_place(config: Config, prepared: str | None) -> Config:
    """Return the configuration as one whose data are prepared there, if they are: its source need not be at hand."""
    if prepared is None or config.data.dir is not None:
        return config
    return replace(config, data=replace(config.data, dir=prepared))


def _check_each(config: Config) -> None:
    """Check each value by itself."""
    if (fault := first_fault(config)) is not None:
        raise UserError(fault)


def _check_learning(config: Config) -> None:
    """Values of the outer loop that must go together."""
    optim, krr = config.optim, config.krr
    _check_at("optim.schedule", optim.schedule)
    _check_at("optim.growth", optim.growth)
    if optim.growth.name != "constant" and optim.growth.first > optim.target_batch:
        raise UserError(
            f"optim.growth.first is {optim.growth.first}, allowed is at most optim.target_batch, {optim.target_batch}, "
            "to which it grows: set a smaller --optim.growth.first, or a larger --optim.target-batch"
        )
    _check_gauss_newton(config)
    if optim.patience is not None and config.data.validation_fraction == 0:
        raise UserError(
            f"optim.patience is {optim.patience}, but data.validation_fraction is 0, so that no set is known to be "
            "better: set --data.validation-fraction 0.1, or leave it out (--optim.patience None)"
        )
    if config.support.refit != "none" and not config.support.learn_labels:
        raise UserError(
            f"support.refit is {config.support.refit!r}, but labels stay as they are: add --support.learn-labels, or "
            "leave it out"
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


def _check_shards(config: Config) -> None:
    """Check that the support is dealt evenly, and by an engine that can."""
    size, shards = config.support.size, config.support.shards
    if shards > 1 and config.kernel.network == FEATURES:
        raise UserError(
            f"support.shards is {shards}, but features are at hand on each device: leave it out (--support.shards 1), "
            "or set another --kernel.network such as conv_net"
        )
    if size % shards:
        raise UserError(
            f"support.shards is {shards}, allowed is what divides the support.size of {size}: set, for example, "
            f"--support.shards {math.gcd(size, shards)} or --support.size {-(-size // shards) * shards}"
        )


def _check_augmentation(augment: AugmentConfig) -> None:
    """Check that RandAugment has changes to draw from, and draws them for each image."""
    if augment.number and not augment.names:
        raise UserError(
            f"augment.number is {augment.number}, but no changes are named to draw from: name them, for example with "
            "--augment.names color crop cutout flip rotate scale"
        )
    if augment.number and augment.single:
        raise UserError(
            f"augment.number is {augment.number}, which draws changes for each image, and augment.single draws one for "
            "all: set --augment.number 0, or leave --augment.single out"
        )


def _check_gauss_newton(config: Config) -> None:
    """Check that what Gauss-Newton steps cannot do is not asked of them."""
    if config.optim.name != "gauss_newton":
        return
    asked = {
        "loss.name": (config.loss.name, "mse", "--loss.name mse"),
        "random_features.networks": (config.random_features.networks, 0, "--random-features.networks 0"),
        "kernel.sampled": (config.kernel.sampled, (), "--kernel.sampled without a kernel"),
        "optim.transform_learning_rate": (
            config.optim.transform_learning_rate,
            None,
            "--optim.transform-learning-rate None",
        ),
    }
    if config.optim.growth.name == "noise":
        asked["optim.growth.name"] = ("noise", "linear", "--optim.growth.name linear")
    for name, (value, allowed, remedy) in asked.items():
        if value != allowed:
            raise UserError(
                f"{name} is {value!r}, allowed with an optim.name of gauss_newton is {allowed!r}: set {remedy}, or "
                "another --optim.name such as adam"
            )


def _check_at(table: str, value: ScheduleConfig | GrowthConfig) -> None:
    """Check the steps of a piecewise schedule."""
    at = value.at
    if value.name == "piecewise" and not (at and at[0] > 0 and list(at) == sorted(set(at))):
        raise UserError(
            f"{table}.at is {at!r}, allowed where {table}.name is piecewise are one or more steps above 0, ascending: "
            f"set it, for example with --{table}.at 100 200"
        )


def check_kernel(kernel: KernelConfig) -> None:
    """Check that the values of a network go together.

    Raises:
      UserError: a Myrtle network or ResNet of a depth there is none of, a head the network does not have, an expansion
        of what has a closed form, a width in the NTK parameterisation, or none in the standard one.
    """
    _check_encoder(kernel)
    depths = {"myrtle": MYRTLE_DEPTHS, "resnet": RESNET_DEPTHS}.get(kernel.network)
    if depths is not None and kernel.depth not in depths:
        raise UserError(
            f"kernel.depth is {kernel.depth}, allowed for a {kernel.network} network is one of "
            f"{', '.join(map(str, depths))}: set it, for example with --kernel.depth {depths[0]}"
        )
    if kernel.global_pool is not None and kernel.network not in ("conv_net", "wide_resnet", "resnet"):
        raise UserError(
            f"kernel.global_pool is {kernel.global_pool}, but a {kernel.network} has one head only: leave it out "
            "(--kernel.global-pool None), or set --kernel.network conv_net, wide_resnet or resnet"
        )
    _check_expansion(kernel)
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
    _check_scale(kernel)


def _check_encoder(kernel: KernelConfig) -> None:
    """Check that features have an encoder, and no network has one."""
    if kernel.network != FEATURES:
        if kernel.encoder is not None:
            raise UserError(
                f"kernel.encoder is {kernel.encoder!r}, but a {kernel.network} has none: leave it out "
                "(--kernel.encoder None), or set --kernel.network features"
            )
        return
    parts = (kernel.encoder or "").split(":")
    if len(parts) != 2 or not all(parts):
        raise UserError(
            f"kernel.encoder is {kernel.encoder!r}, allowed for a kernel.network of features is module:function: name "
            "yours, for example with --kernel.encoder encoder:phi"
        )


def _check_features(config: Config) -> None:
    """Check that what needs the kernel of a network is not asked of features."""
    if any(kernel.network == FEATURES for kernel in sampled_kernels(config.kernel) if config.kernel.sampled):
        raise UserError(
            f"kernel.sampled is {config.kernel.sampled!r}, allowed there are networks, and no features: leave it out "
            "(--kernel.sampled without a kernel)"
        )
    if config.kernel.network != FEATURES:
        return
    asked = {
        "random_features.networks": (config.random_features.networks, 0, "--random-features.networks 0"),
        "coarse": (config.coarse, (), "--coarse without a level"),
        "optim.name": (config.optim.name == "gauss_newton", False, "--optim.name adam"),
    }
    for name, (value, allowed, remedy) in asked.items():
        if value != allowed:
            given = "'gauss_newton'" if name == "optim.name" else repr(value)
            raise UserError(
                f"{name} is {given}, which takes the kernel of a network, and a kernel.network of features has none: "
                f"set {remedy}, or another --kernel.network such as conv_net"
            )


def _check_expansion(kernel: KernelConfig) -> None:
    """Check the degree and the nodes of an expansion.

    Raises:
      UserError: the activation has none, or they do not go together.
    """
    degree, nodes = kernel.activation_degree, kernel.activation_nodes
    if degree is None and nodes is None:
        return
    if kernel.activation not in EXPANDED:
        name, value = ("degree", degree) if degree is not None else ("nodes", nodes)
        raise UserError(
            f"kernel.activation_{name} is {value}, but {kernel.activation} has a closed form: leave it out "
            f"(--kernel.activation-{name} None), or set --kernel.activation {' or '.join(EXPANDED)}"
        )
    degree = 24 if degree is None else degree
    nodes = 2 * degree + 16 if nodes is None else nodes
    if not degree < nodes <= _MOST_NODES:
        raise UserError(
            f"kernel.activation_nodes is {nodes}, allowed with a kernel.activation_degree of {degree} is a whole "
            f"number above it and at most {_MOST_NODES}: set, for example, --kernel.activation-degree 48 "
            "--kernel.activation-nodes 112"
        )


def _check_scale(kernel: KernelConfig) -> None:
    """Check that the kernel stays within the numbers of its precision: a layer multiplies it by W_std^2 / 2 or so.

    Raises:
      UserError: it would be 0 or infinite.
    """
    if kernel.network == FEATURES:
        return
    # The norms of a vit undo what its layers multiply by.
    deep = {"wide_resnet": 2 * kernel.depth * kernel.groups, "vit": 2}
    layers = deep.get(kernel.network, kernel.depth + 1)
    power, most = layers * (2 * math.log10(kernel.W_std) - math.log10(2)), 30 if kernel.dtype == "float32" else 300
    if power < -most and kernel.b_std < 10.0 ** (-most / 2):
        size = "0"
    elif power > most or kernel.b_std > 10.0 ** (most / 2):
        size = "infinite"
    else:
        return
    raise UserError(
        f"kernel.W_std is {kernel.W_std} and kernel.b_std {kernel.b_std}, by which the kernel of {layers} layers is "
        f"{size} in {kernel.dtype}: set, for example, --kernel.W-std 1.4 --kernel.b-std 0.1"
    )
