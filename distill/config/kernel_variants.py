"""The kernels that the steps draw from, written in one line each: what differs from the main one."""

from dataclasses import fields, replace
from typing import get_type_hints

from kerneldistill.config.assignments import assigned
from kerneldistill.config.schema import KernelConfig

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
    if text.strip() == "same":
        return main
    hints = get_type_hints(KernelConfig)
    types = {name: hints[name] for name in _NAMES}
    allowed = "'same' or NAME=VALUE,NAME=VALUE,... with names from kdistill run --help kernel"
    example = "--kernel.sampled same network=conv_vec,depth=8"
    return replace(main, **assigned(text, types, "kernel.sampled", allowed, example))
