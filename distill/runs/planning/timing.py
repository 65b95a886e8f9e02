"""Time a program: the least of a few calls, since other work on the machine only adds."""

import time
from collections.abc import Callable

import jax


def best_of(program: Callable[[], object]) -> float:
    """Return the least of three times, or of fewer if they take a second; compile it before, or call it once more."""
    times = [seconds_of_call(program)]
    while len(times) < 3 and sum(times) < 1:
        times.append(seconds_of_call(program))
    return min(times)


def seconds_of_call(program: Callable[[], object]) -> float:
    """Return how long a call takes until its arrays are there."""
    began = time.perf_counter()
    jax.block_until_ready(program())
    return time.perf_counter() - began
