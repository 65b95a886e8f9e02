"""Encoders by name: those that a program has given, and those that a command imports.

A configuration names an encoder `module:function`, as TOML can. What was given under a name is used; only a command and
its user's own runs import it (`import_encoder`): a bundle, which a stranger may have made, never names code to run.
"""

import os
import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

import numpy as np

from kerneldistill.config.schema import KernelConfig
from kerneldistill.errors import UserError
from kerneldistill.kernels.encoder_checks import EncoderError, Identity, check_encoder, identity_of
from kerneldistill.kernels.feature_kernel import Encoder, FeatureKernel

_GIVEN: dict[str, FeatureKernel] = {}


def give_encoder(kernel: FeatureKernel, name: str | None = None) -> None:
    """Let a name, or that of the encoder itself, mean this one, in this process."""
    _GIVEN[name or kernel.name] = kernel


def import_encoder(kernel: KernelConfig) -> None:
    """Import the encoder that `kernel` names, if it names one that nobody gave; modules of the working folder, too.

    Raises:
      UserError: there is no such module or function.
    """
    name = kernel.encoder
    if name is None or name in _GIVEN:
        return
    module, _, function = name.partition(":")
    top = module.partition(".")[0]
    if (folder := os.getcwd()) not in sys.path:
        sys.path.insert(0, folder)
    try:
        if find_spec(top) is None:
            raise UserError(
                f"kernel.encoder is {name!r}, but there is no module {top!r}: start in its folder, install it, or name "
                "another one with --kernel.encoder module:function"
            )
        found: Any = import_module(module)
        for part in function.split("."):
            found = getattr(found, part)
    except UserError:
        raise
    except Exception as error:  # of any class: the module is the user's
        reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"[:90]
        raise UserError(
            f"kernel.encoder is {name!r}, which cannot be imported ({reason}): mend it, or name another one with "
            "--kernel.encoder module:function"
        ) from error
    if not callable(found):
        raise UserError(
            f"kernel.encoder is {name!r}, which is of type {type(found).__name__}: name a function of images with "
            "--kernel.encoder module:function"
        )
    give_encoder(FeatureKernel(cast(Encoder, found), kernel.b_std), name)


def encoder_of(kernel: KernelConfig) -> FeatureKernel:
    """The encoder that `kernel` names, as it was given or imported.

    Raises:
      UserError: it was not.
    """
    if kernel.encoder not in _GIVEN:
        raise UserError(
            f"the kernel is of features of the encoder {kernel.encoder!r}, which no bundle holds: give it in Python, "
            "kerneldistill.load(FOLDER, encoder=function), or to kdistill evaluate with --encoder module:function"
        )
    return _GIVEN[kernel.encoder]


def checked_identity(kernel: KernelConfig, image_shape: Sequence[int]) -> Identity:
    """Try the encoder of `kernel` on images [h, w, c], and identify it.

    Raises:
      UserError: it is none that can be used.
    """
    height, width, channels = image_shape
    try:
        return _tried(encoder_of(kernel), (height, width, channels), kernel.dtype)
    except EncoderError as error:
        raise UserError(
            f"kernel.encoder is {kernel.encoder!r}, which {error}; or name another one with --kernel.encoder "
            "module:function"
        ) from error


@lru_cache(maxsize=4)  # the stages of a run ask one after the other
def _tried(encoder: FeatureKernel, image_shape: tuple[int, int, int], dtype: str) -> Identity:
    check_encoder(encoder.phi, image_shape, np.dtype(dtype))
    return identity_of(encoder.phi, image_shape, np.dtype(dtype))
