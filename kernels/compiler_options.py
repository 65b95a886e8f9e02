"""What the compiler is told about programs that pass bands through layers; the one place where that is chosen."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.experimental.xla_metadata import set_xla_metadata

T = TypeVar("T")
# Gives a function that computes the same, compiled in a way of its own.
Compile = Callable[[Callable[..., Any]], Callable[..., Any]]

# What XLA's CPU compiler does by default with bands, and what a 32 x 32 entry of the KIP ConvNet gains without it, on
# jax 0.10.2, milliseconds of a core:
#   - its newer emitters fuse a chain into each of its consumers and recompute it there: forward 3.4 -> 1.1;
#   - it hands sums to a library and writes out their six operands for it: gradient 6.2 -> 5.5;
#   - it takes vectors of 256 bits where there are 512: forward 1.93 -> 1.57, gradient 7.4 -> 7.0 (processor time on
#     a busy machine, the least of 4 alternating runs).
# From jax 0.11 on the first option is gone, and no longer needed. Processor time of an entry on a busy machine, the
# least of 6 runs, forward and with gradient: 0.10.2 with both options 1.63, 7.3 ms, with none 4.4, 10.7; 0.12.0 with
# the second 1.62, 7.0, with none 1.69, 7.8.
_BANDS_ON_CPU: dict[str, bool | int | str] = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_experimental_ynn_fusion_type": "",
    "xla_cpu_prefer_vector_width": 512,
}


def band_options(platform: str) -> dict[str, bool | int | str] | None:
    """The options for `jax.jit` of programs on bands, of those that this compiler has.

    Not for fully connected networks: they are matrix products, which that library does twice as fast.
    """
    if platform != "cpu":
        return None
    return {name: value for name, value in _BANDS_ON_CPU.items() if _known(name, value)}


def one_routine(platform: str) -> Compile:
    """How XLA's compiler of `platform` is told to make one routine of a function and its loops.

    Else it dispatches every operation of every turn. With this and blocks of 64 kB (`device_kinds`) an entry of the KIP
    ConvNet at 32 x 32 takes, in milliseconds of a core, 1.35 for 1.7 forward, 4.4 for 7.0 with its gradient and 5.7 for
    12.3 with its Jacobian (best of alternating runs, jax 0.10.2). Only in programs that are compiled with
    `band_options`: without them it fails ("Fusion kind not implemented on CPU").
    """
    return _called_once if platform == "cpu" else as_it_is


def as_it_is(function: Callable[..., T]) -> Callable[..., T]:
    """Leave to the compiler what becomes of a function."""
    return function


def _called_once(function: Callable[..., T]) -> Callable[..., T]:
    # The compiler plans to deal a large operation to threads; in a routine it does not, but where that operation is all
    # that the routine returns, it still asks for the bounds of a part ("Incorrect number of arguments"). So the routine
    # returns two things. And it aborts where an argument is not read ("All or none of the slices should have an
    # explicit index"), as the covariances' factors are not by an activation with nothing but a head behind it, of which
    # the NTK is wanted. So the second thing reads a value of each.
    def with_another(*args: Any) -> tuple[T, Any]:
        return function(*args), sum((_first(x) for x in jax.tree.leaves(args)), jnp.zeros((), bool))

    def called(*args: Any) -> T:
        # This attribute of a call is what the compiler itself gives to small loops (small_while_loop_hoisting_pass.cc).
        found: Any = set_xla_metadata(jax.jit(with_another)(*args), inlineable="false", xla_cpu_small_call="true")
        # A choice between equals, which costs nothing, lest jax drop the second.
        return jax.tree.map(lambda x: jnp.where(found[1], x, x), found[0])

    return called


def _first(x: Any) -> Any:
    """Whether the first value is NaN: a comparison that no compiler leaves out."""
    value = jnp.ravel(x)[0]
    return value != value


@cache
def _known(name: str, value: bool | int | str) -> bool:
    try:
        jax.jit(lambda x: x, compiler_options={name: value}).lower(0.0).compile()
    except jax.errors.JaxRuntimeError as error:
        if "No such compile option" not in str(error):
            raise
        return False
    return True
