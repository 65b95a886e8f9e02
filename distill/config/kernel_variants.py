"""The kernels that the steps draw from, written in one line each: what differs from the main one."""

from dataclasses import asdict, fields, replace
from typing import get_type_hints

from kerneldistill.config.schema import KernelConfig
from kerneldistill.errors import UserError

# These are the run's: the set that is learned has one precision.
_NOT_THEIRS = ("dtype", "sampled")
_NAMES = tuple(field.name for field in fields(KernelConfig) if field.name not in _NOT_THEIRS)


def sampled_kernels(kernel: KernelConfig) -> tuple[KernelConfig, ...]:
    """The kernels of `kernel.sampled`, or `kernel` alone where there are none; `sampled` of each is empty.

    Example:
      sampled_kernels(KernelConfig("conv_net", 3, sampled=("same", "network=conv_vec,depth=8")))

    Raises:
      UserError: a text is no list of NAME=VALUE, or a value is not of its type.
    """
    main = replace(kernel, sampled=())
    return tuple(_changed(main, text) for text in kernel.sampled) or (main,)


def _changed(main: KernelConfig, text: str) -> KernelConfig:
    from pydantic import TypeAdapter, ValidationError

    if text.strip() == "same":
        return main
    values = asdict(main)
    types = get_type_hints(KernelConfig)
    for part in text.split(","):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals or name not in _NAMES:
            raise UserError(
                f"kernel.sampled has {text!r}, allowed is 'same' or NAME=VALUE,NAME=VALUE,... with names from "
                f"{', '.join(_NAMES)}: set it, for example with --kernel.sampled same network=conv_vec,depth=8"
            )
        try:
            values[name] = None if value == "None" else TypeAdapter(types[name]).validate_strings(value)
        except ValidationError as error:
            allowed = error.errors()[0]["msg"].removeprefix("Input should be ")
            raise UserError(
                f"kernel.sampled has {text!r}, allowed as {name} is {allowed}: change it with --kernel.sampled"
            ) from error
    return KernelConfig(**values)
