"""A watchdog: where processes work together, it ends one whose work takes far too long, with a traceback.

The others would wait for it for ever; once it is gone, the roll call tells them. Limits are learned by kind of work,
which is done once to compile and then measured. faulthandler's thread is C, so it needs nothing of a process that is
stuck. Only collectives start it: a process alone has none.
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
    """The limits of work by its kind."""

    def __init__(self) -> None:
        self._longest: dict[Hashable, float] = {}

    def took(self, kind: Hashable, seconds: float) -> None:
        """Learn that work took so long; what the first of a kind took, which compiled, is forgotten."""
        self._longest[kind] = max(self._longest[kind], seconds) if kind in self._longest else 0.0

    def limit(self, kind: Hashable) -> float:
        """What work may take, in seconds."""
        longest = self._longest.get(kind)
        return max(LEAST_SECONDS, FACTOR * longest) if longest else FIRST_SECONDS


_pace = Pace()
_work: tuple[Hashable, int] = (None, 0)
_since = 0.0
_unlimited = False


def begin(kind: Hashable, part: int = 0) -> None:
    """Work of a kind begins, and the one before is over; None: of no kind. Each part of it is measured apart."""
    global _work, _since
    _end_work()
    _work, _since = (kind, part), time.monotonic()
    _arm(FIRST_SECONDS if kind is None else _pace.limit(_work))


@contextmanager
def waiting() -> Iterator[None]:
    """Wait for the others within the block, as long as any of them may work; after it the next part begins."""
    global _work
    _end_work()
    kind, part = _work
    _work = (None, 0)
    _arm(2 * FIRST_SECONDS)
    yield
    begin(kind, part + 1)


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
        begin(None)


def stop() -> None:
    """Watch no longer."""
    faulthandler.cancel_dump_traceback_later()


def _end_work() -> None:
    if _work[0] is not None:
        _pace.took(_work, time.monotonic() - _since)


def _arm(seconds: float) -> None:
    if not _unlimited:
        faulthandler.dump_traceback_later(seconds, exit=True)
