"""Computing inside somebody else's process: jax as the commands set it up, and messages in Python's words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from kerneldistill.errors import UserError
from kerneldistill.runtime import devices
from kerneldistill.runtime.console import worded

# Every flag but --help.
_FLAG = re.compile(r"--(?!help)([a-z][a-z-]*(?:\.[a-z-]+)*)")


@contextmanager
def computing() -> Iterator[None]:
    """Compute in the block as the commands do: float64 on, every core a device if jax has not started yet.

    The settings that the process has for itself are those of before when the block ends, but for the number of CPU
    devices and the folder of compiled programs, which jax takes once.
    """
    import jax

    _set_up()
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"), in_python():
        yield


@contextmanager
def in_python() -> Iterator[None]:
    """Name settings in the block's messages as keywords, `optim.steps`, where the commands say `--optim.steps`."""
    try:
        with worded(_with_keywords):
            yield
    except UserError as error:
        error.args = (_with_keywords(str(error)),)
        raise


def _with_keywords(text: str) -> str:
    return _FLAG.sub(lambda flag: flag[1].replace("-", "_"), text)


@cache
def _set_up() -> None:
    import jax

    before = jax.config.read("jax_enable_x64")
    try:
        devices.setup()
    except RuntimeError:
        pass  # jax has started already, and computes on the devices it has
    finally:
        jax.config.update("jax_enable_x64", before)
