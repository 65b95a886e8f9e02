"""What XLA is told by its environment variable, as programs cannot be told it one by one."""

import os
from collections.abc import MutableMapping

_OPTION = "--xla_backend_extra_options"
# LLVM writes the sixteen lanes of a short loop out one by one before it looks for vectors, and finds none in the loops
# that frame planes or take roots: a third of a gradient's samples were in scalar instructions, or in sixteen vector
# roots for one. A 32 x 32 entry of the KIP ConvNet takes 0.86 ms of a core for 0.97, with its gradient 3.0 for 3.8, and
# compiles in half the time (least of alternating runs on a busy machine, jax 0.10.2).
_LEAVE_LOOPS = "xla_cpu_disable_loop_unrolling"


def leave_loops_whole(environment: MutableMapping[str, str] = os.environ) -> None:
    """Tell XLA's CPU compiler not to unroll loops, before it has made vectors of them.

    Call it before anything starts jax's backend, which reads the variable once. Does nothing where `XLA_FLAGS` sets
    this option already.
    """
    flags = environment.get("XLA_FLAGS", "")
    if _OPTION not in flags:
        environment["XLA_FLAGS"] = f"{flags} {_OPTION}={_LEAVE_LOOPS}".strip()
