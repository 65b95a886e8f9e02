"""A watchdog: where processes work together, it ends one whose work takes far too long, with a traceback.

The others would wait for it for ever; once it is gone, jax's heartbeats tell them. The limits are learned: each kind of
work is first done once with compiling, then measured. faulthandler's thread is C, so it needs nothing of a process that
is stuck. Only collectives start it: a process alone has none.
"""

import faulthandler
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

# What work may take before its kind is measured, in seconds: its programs are compiled.
FIRST_SECONDS = 1800.0
# What any work may take, in seconds: a machine may be busy with something else for a while.
LEAST_SECONDS = 40.0
# How many times as long as ever before work of a kind may take.
FACTOR = 10.0


class Pace:
    """The limits of work by its kind.

    Example:
      pace = Pace()
      pace.took("chunk", seconds=30.0)  # with compiling: not counted
      pace.took("chunk", seconds=2.5)
      pace.limit("chunk")
    """

    def __init__(self) -> None:
        self._longest: dict[Hashable, float | None] = {}

    def took(self, kind: Hashable, seconds: float) -> None:
        """Learn that work of a kind took so long."""
        known = self._longest.get(kind)
        self._longest[kind] = max(known or 0.0, seconds) if kind in self._longest else None

    def limit(self, kind: Hashable) -> float:
        """What work of a kind may take, in seconds."""
        known = self._longest.get(kind)
        return FIRST_SECONDS if known is None else max(LEAST_SECONDS, FACTOR * known)


_pace = Pace()
_work: tuple[Hashable, int] = (None, 0)
_since = 0.0
_unlimited = False


def begin(kind: Hashable) -> None:
    """Work of a kind begins, and the one before is over. What follows an exchange with others is a kind of its own."""
    _end_work()
    _start_work(kind, 0)


@contextmanager
def waiting() -> Iterator[None]:
    """Wait for the others within the block: as long as any of them may work."""
    _end_work()
    _arm(2 * FIRST_SECONDS)
    yield
    _start_work(_work[0], _work[1] + 1)


@contextmanager
def unlimited() -> Iterator[None]:
    """Wait within the block for what has no limit, or do it."""
    global _unlimited
    stop()
    _unlimited = True
    try:
        yield
    finally:
        _unlimited = False
        _start_work(None, 0)


def stop() -> None:
    """Watch no longer."""
    faulthandler.cancel_dump_traceback_later()


def _start_work(kind: Hashable, part: int) -> None:
    global _work, _since
    _work, _since = (kind, part), time.monotonic()
    _arm(FIRST_SECONDS if kind is None else _pace.limit(_work))


def _end_work() -> None:
    if _work[0] is not None:
        _pace.took(_work, time.monotonic() - _since)


def _arm(seconds: float) -> None:
    if not _unlimited:
        faulthandler.dump_traceback_later(seconds, exit=True)
