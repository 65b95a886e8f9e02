"""Preemption: the end of a run by SIGINT or SIGTERM, without loss.

A scheduler sends SIGTERM, and SIGKILL some time later; a person presses Ctrl-C. The first signal ends what goes on by
KeyboardInterrupt: at once, or inside `Deferred` where it is polled, so that nothing is cut in the middle. A second one
ends the process without a further instruction, which harms nothing: files here are whole or absent at any moment.

Python answers a signal between two of its instructions, and a main thread inside a compiler is deaf for as long as that
takes. So another thread listens, too: it ends the process at a second signal, and when the first is not answered in
time, after the newest step is saved.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, TypeVar

# The exit status of an error that the user can mend.
MISTAKE = 2
# EX_TEMPFAIL of sysexits.h: a scheduler can tell an interrupted run, which resumes, from a failed one.
INTERRUPTED = 75

# A signal this soon after the first is its echo, in seconds: `timeout` and `kill -TERM -GROUP` reach a process twice.
ECHO_SECONDS = 1.0

# What goes on longer than this after a signal without a poll, such as the compiler, is not waited for, in seconds.
PATIENCE_SECONDS = 8.0

# By this signal the watchdog hands on one that another process has received. It is never a second one.
HANDED_ON = signal.SIGUSR1

_SIGNALS = (signal.SIGINT, signal.SIGTERM, HANDED_ON)

Item = TypeVar("Item")

# Sees every piece of work before it is begun.
Watch = Callable[[Iterable[Item]], Iterable[Item]]


class Deferred:
    """Records the first signal instead of raising, for the time it is entered.

    Args:
      rescue: called in another thread, before the process ends, if a signal is not polled for `PATIENCE_SECONDS`.

    Raises:
      KeyboardInterrupt: on leaving, if a signal has arrived that nobody polled.

    Example:
      with Deferred(save_the_last_step) as signals:
          for chunk in signals.watch(chunks):
              ...
    """

    def __init__(self, rescue: Callable[[], None]) -> None:
        self._rescue = rescue
        self._arrived = False
        self._answer = threading.Lock()  # held for good by the one that answers the signal

    def __enter__(self) -> "Deferred":
        _deferred.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _deferred.remove(self)
        if kind is None:
            self.poll()

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

    def record(self) -> None:
        """A signal has arrived."""
        self._arrived = True

    def give_up_waiting(self) -> None:
        """Saves and ends the process, unless the signal is being answered."""
        if not self._answer.acquire(blocking=False):
            return
        try:
            self._rescue()
        except Exception as error:  # of any class: this thread has nobody to raise it to
            _end(f"error: {' '.join(str(error).split())}", MISTAKE)
        _end(_RESUME, INTERRUPTED)


@contextmanager
def handled() -> Iterator[None]:
    """Answers SIGINT and SIGTERM as the module says until the block ends.

    Inside another such block, and outside the main thread, which alone handles signals, it changes nothing.
    """
    inside = getattr(signal.getsignal(signal.SIGTERM), "__module__", None) == __name__
    if inside or threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = threading.Event()

    def answer(number: int, frame: FrameType | None) -> None:
        if heard.is_set():  # the listener sees to a second one
            return
        heard.set()
        if not _deferred:
            raise KeyboardInterrupt
        _deferred[-1].record()

    told, tells = socket.socketpair()
    tells.setblocking(False)
    listener = threading.Thread(target=_listen, args=(told, heard), daemon=True, name="signals")
    listener.start()
    before = {number: signal.signal(number, answer) for number in _SIGNALS}
    descriptor = signal.set_wakeup_fd(tells.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        tells.close()
        listener.join()
        told.close()


def _listen(told: socket.socket, heard: threading.Event) -> None:
    """Reads the numbers of signals as they arrive, until the other end is closed."""
    first: float | None = None
    timer = threading.Timer(PATIENCE_SECONDS, _lose_patience, args=(heard,))
    timer.daemon = True
    while number := told.recv(1):
        if number[0] not in _SIGNALS:
            continue
        if not timer.is_alive() and not timer.finished.is_set():
            timer.start()
        if number[0] == HANDED_ON:
            continue
        if first is not None and time.monotonic() - first > ECHO_SECONDS:
            os._exit(INTERRUPTED)
        first = time.monotonic() if first is None else first
    timer.cancel()


def _lose_patience(heard: threading.Event) -> None:
    if _deferred:
        _deferred[-1].give_up_waiting()
    elif not heard.is_set():
        _end(_RESUME, INTERRUPTED)


# Those that are entered; the last answers.
_deferred: list[Deferred] = []

_RESUME = "interrupted; run the same command again to resume"

# A forked process would tell its signals to the listener of this one.
os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))


def _end(text: str, status: int) -> NoReturn:
    # Past Python's buffers, whose locks the interrupted code may hold.
    os.write(2, f"kdistill: {text}\n".encode())
    os._exit(status)
