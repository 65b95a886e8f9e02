"""Preemption: the end of a run by SIGINT or SIGTERM, without loss.

A scheduler sends SIGTERM, and SIGKILL some time later; a person presses Ctrl-C. The first signal ends what goes on by
KeyboardInterrupt: at once, or inside `Deferred` where it is polled, so that nothing is cut in the middle. A second one
ends the process without a further instruction, which harms nothing: files here are whole or absent at any moment.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

# The exit status of an error that the user can mend.
MISTAKE = 2
# EX_TEMPFAIL of sysexits.h: a scheduler can tell an interrupted run, which resumes, from a failed one.
INTERRUPTED = 75

# A signal this soon after the first is its echo, in seconds: `timeout` and `kill -TERM -GROUP` reach a process twice.
ECHO_SECONDS = 1.0

# What goes on longer than this after a signal without a poll, such as the compiler, is not waited for, in seconds.
PATIENCE_SECONDS = 8.0

# By this signal `distill.watchdog` hands on one that another process has received. It is never a second one.
HANDED_ON = signal.SIGUSR1

_SIGNALS = (signal.SIGINT, signal.SIGTERM, HANDED_ON)

Item = TypeVar("Item")

# Sees every piece of work before it is begun.
Watch = Callable[[Iterable[Item]], Iterable[Item]]


class Deferred:
    """Records the first signal instead of raising, for the time it is entered.

    Args:
      rescue: called in another thread, before the process ends, if a signal is not polled for `PATIENCE_SECONDS`.

    Example:
      with Deferred(save_the_last_step) as signals:
          for chunk in signals.watch(chunks):
              ...
    """

    def __init__(self, rescue: Callable[[], None]) -> None:
        self._rescue = rescue
        self._arrived = False
        self._answer = threading.Lock()  # held by the one that answers the signal, for good

    def __enter__(self) -> "Deferred":
        _modes.append(self._record)
        return self

    def __exit__(self, *_: object) -> None:
        _modes.remove(self._record)

    def poll(self) -> None:
        """Answers a signal that has arrived.

        Raises:
          KeyboardInterrupt: one has.
        """
        if self._arrived:
            self._answer.acquire()  # waits for the end of the process if the rescue has it
            self._arrived = False
            raise KeyboardInterrupt

    def watch(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, with a poll before each and one after the last.

        Raises:
          KeyboardInterrupt: a signal has arrived.
        """
        for item in items:
            self.poll()
            yield item
        self.poll()

    def _record(self) -> None:
        self._arrived = True
        timer = threading.Timer(PATIENCE_SECONDS, self._give_up_waiting)
        timer.daemon = True
        timer.start()

    def _give_up_waiting(self) -> None:
        if not self._answer.acquire(blocking=False):
            return
        try:
            self._rescue()
        except Exception as error:  # of any class: this thread has nobody to raise it to
            _say(f"error: {' '.join(str(error).split())}")
            os._exit(MISTAKE)
        _say("interrupted; run the same command again to resume")
        os._exit(INTERRUPTED)


@contextmanager
def handled() -> Iterator[None]:
    """Answers SIGINT and SIGTERM as the module says until the block ends.

    Inside another such block, and outside the main thread, which alone handles signals, it changes nothing.
    """
    inside = getattr(signal.getsignal(signal.SIGTERM), "__module__", None) == __name__
    if inside or threading.current_thread() is not threading.main_thread():
        yield
        return
    first: list[float] = []

    def answer(number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not first:
            first.extend([] if number == HANDED_ON else [now])
            _modes[-1]()
        elif number != HANDED_ON and now - first[0] > ECHO_SECONDS:
            os._exit(INTERRUPTED)

    before = {number: signal.signal(number, answer) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _interrupt() -> None:
    raise KeyboardInterrupt


# What the first signal does; the last counts.
_modes: list[Callable[[], None]] = [_interrupt]


def _say(text: str) -> None:
    # Past Python's buffers, whose locks the interrupted code may hold.
    os.write(2, f"kdistill: {text}\n".encode())
