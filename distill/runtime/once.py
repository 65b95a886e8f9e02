"""The time that a process spends on what it does once: compiling, and what the first step computes for all later ones.

Estimates leave it out. jax tells when it traces, lowers and compiles; the rest is marked by `once`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

COMPILING = "compiling"


class Doing(NamedTuple):
    """What a process does once, now.

    name: of the innermost
    since: seconds of `time.perf_counter` at which the outermost began
    """

    name: str
    since: float


# The outermost first; what is inside another counts once.
_stack: list[Doing] = []
_seconds = 0.0


def doing() -> Doing | None:
    """Return what is being done once; None while there is nothing."""
    stack = _stack[:]
    return Doing(stack[-1].name, stack[0].since) if stack else None


def seconds() -> float:
    """Return the seconds spent so far in all."""
    outermost = _stack[:1]
    return _seconds + sum(time.perf_counter() - found.since for found in outermost)


@contextmanager
def once(name: str) -> Iterator[None]:
    """Count the block as something that is done once."""
    _begin(name)
    try:
        yield
    finally:
        _end()


@cache
def watch_compiler() -> None:
    """Count from now on what jax traces, lowers and compiles."""
    import jax.monitoring

    jax.monitoring.register_scalar_listener(lambda event, value, **_: _begin(COMPILING) if _is_work(event) else None)
    jax.monitoring.register_event_time_span_listener(lambda event, *_, **__: _end() if _is_work(event) else None)


def _is_work(event: str) -> bool:
    return event.startswith("/jax/core/compile/")


def _begin(name: str) -> None:
    _stack.append(Doing(name, time.perf_counter()))


def _end() -> None:
    global _seconds
    if _stack:  # not if jax was at it when it was first watched
        began = _stack.pop().since
        _seconds += 0 if _stack else time.perf_counter() - began
