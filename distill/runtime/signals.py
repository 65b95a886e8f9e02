"""SIGINT and SIGTERM end a command without loss, with exit status 75.

A scheduler sends SIGTERM, and SIGKILL some time later; a person presses Ctrl-C. A handler only notes the first signal.
Work polls between two chunks and leaves by KeyboardInterrupt, so that nothing is cut in the middle.

One thread listens: it ends the process at a second signal, and after a while if nobody polls, as inside a compiler,
where the main thread runs no Python. Before that it calls what `rescue` registered. Files are whole or absent at any
moment, so nothing breaks.
"""

import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

# The exit status of an error that the user can mend.
MISTAKE = 2
# EX_TEMPFAIL of sysexits.h: a scheduler can tell an interrupted run, which resumes, from a failed one.
INTERRUPTED = 75

# A signal this soon after the first is its echo, in seconds: `timeout` and `kill -TERM -GROUP` reach a process twice.
ECHO_SECONDS = 1.0
# How long a signal may wait for a poll, in seconds, where something can be rescued. Chunks take about five.
PATIENCE_SECONDS = 8.0
# The same where there is nothing to lose.
SHORT_PATIENCE_SECONDS = 2.0

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_RESUME = "interrupted; run the same command again to resume"


class _Listener(threading.Thread):
    """Reads the numbers of signals as they arrive, and ends the process where the main thread does not.

    Attributes:
      asked: set by the first signal
      answer: held for good by the thread that answers it
      answered: whether the main thread did
    """

    def __init__(self, numbers: socket.socket) -> None:
        super().__init__(daemon=True, name="signals")
        self.asked = threading.Event()
        self.answer = threading.Lock()
        self.answered = False
        self._numbers = numbers

    def run(self) -> None:
        first: float | None = None
        patient = True
        while True:
            try:
                number = self._numbers.recv(1)
            except TimeoutError:
                if _rescues and not patient:  # there is something to rescue since the signal
                    patient = True
                    self._numbers.settimeout(PATIENCE_SECONDS - SHORT_PATIENCE_SECONDS)
                    continue
                self._numbers.settimeout(None)
                self._give_up_waiting()
                continue
            if not number:
                return
            if number[0] not in _SIGNALS:
                continue
            if first is None:
                first = time.monotonic()
                self.asked.set()
                patient = bool(_rescues)
                self._numbers.settimeout(PATIENCE_SECONDS if patient else SHORT_PATIENCE_SECONDS)
            elif time.monotonic() - first > ECHO_SECONDS:
                os._exit(INTERRUPTED)

    def _give_up_waiting(self) -> None:
        """End the process, unless somebody is answering; what can be rescued is rescued."""
        if not self.answer.acquire(blocking=False):
            return
        try:
            for rescue in reversed(_rescues):
                rescue()
        except Exception as error:  # of any class: this thread has nobody to raise it to
            _end(f"error: {' '.join(str(error).split())}", MISTAKE)
        _end(_RESUME, INTERRUPTED)


# Names the process whose end is to end this one, as a sweep's ends its run.
PARENT = "KERNELDISTILL_PARENT"
_PR_SET_PDEATHSIG = 1

_listener: _Listener | None = None
_rescues: list[Callable[[], None]] = []


@contextmanager
def handlers_installed(at_the_end: bool = False) -> Iterator[None]:
    """Note SIGINT and SIGTERM, as the module says, until the block ends.

    Inside another such block, and outside the main thread, which alone handles signals, it changes nothing.

    Args:
      at_the_end: whether the process ends after the block: its work is over then, and its exit status decided, so that
        signals are ignored from there on
    """
    global _listener
    if _listener is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    told, tells = socket.socketpair()
    tells.setblocking(False)
    _listener = listener = _Listener(told)
    listener.start()
    # Python writes the number of each handled signal to the socket, even while the main thread runs no Python.
    before = {number: signal.signal(number, lambda number, frame: listener.asked.set()) for number in _SIGNALS}
    descriptor = signal.set_wakeup_fd(tells.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            restored = signal.SIG_DFL if handler is None else handler
            signal.signal(number, signal.SIG_IGN if at_the_end else restored)
        _listener = None
        tells.close()
        listener.join()
        told.close()


def end_with_parent(environment: Mapping[str, str] = os.environ) -> None:
    """Have the system send SIGTERM when the process that started this one, and asked for it, ends however it may."""
    parent = environment.get(PARENT)
    if parent is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if str(os.getppid()) != parent:  # it is gone already
        os.kill(os.getpid(), signal.SIGTERM)


def asked() -> bool:
    """Whether a signal has arrived that nobody has answered."""
    return _listener is not None and _listener.asked.is_set() and not _listener.answered


def interrupt() -> NoReturn:
    """Answer a signal, of this process or of another one that works with it.

    Raises:
      KeyboardInterrupt: always.
    """
    if _listener is not None and not _listener.answered:
        _listener.answer.acquire()  # waits for the end of the process where the listener answers
        _listener.answered = True
    raise KeyboardInterrupt


def poll() -> None:
    """Answer a signal that has arrived.

    Raises:
      KeyboardInterrupt: one has.
    """
    if asked():
        interrupt()


@contextmanager
def rescue(save: Callable[[], None]) -> Iterator[None]:
    """Have `save` called, in another thread, before the process ends because a signal was not polled in time."""
    _rescues.append(save)
    try:
        yield
    finally:
        _rescues.remove(save)


def _end(text: str, status: int) -> NoReturn:
    # Past Python's buffers, whose locks the interrupted code may hold.
    os.write(2, f"kdistill: {text}\n".encode())
    os._exit(status)


def _forget_in_child() -> None:
    """A forked process has no listener, and would tell its signals to that of its parent."""
    global _listener
    if _listener is not None:
        _listener = None
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)


os.register_at_fork(after_in_child=_forget_in_child)
