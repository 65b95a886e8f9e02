"""Watches over processes that work as one: when one is killed, fails or is stuck, the others name it and end.

A collective waits for its peers for ever, and jax tells of a lost one after minutes, if at all. So a thread of each
process, once a second, puts a sign of life on a board that all see, and reads those of the others:

    killed     no sign for `SILENCE_SECONDS`, or for `ALARM_SECONDS` once a collective has failed
    failed     it says so itself, on the board, before it ends
    stuck      its thread finds that a piece of its work has taken too long (`timeouts`), and says so
    hanging    all have come to the same exchange, and it does not end

A process that learns of such an end has `GRACE_SECONDS` for what it is doing, such as saving; waiting for the others is
not worth any. Steps are saved, so the same command resumes. A signal to any process is handed on to process 0.
"""

import faulthandler
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Hashable
from typing import NamedTuple, Protocol

from kerneldistill.runtime.distributed.timeouts import LEAST_SECONDS, Pace
from kerneldistill.runtime.signals import INTERRUPTED

PERIOD_SECONDS = 1.0
# Some routines of LAPACK keep Python's other threads waiting: tens of seconds for the eigenvalues of a large kernel.
SILENCE_SECONDS = 40.0
ALARM_SECONDS = 8.0
GRACE_SECONDS = 10.0


class LostBoardError(Exception):
    """The board cannot be reached: the process that keeps it is gone."""


class Board(Protocol):
    """Texts by name that all processes see."""

    def put(self, name: str, text: str) -> None:
        """Writes a text, over an earlier one."""

    def read(self, folder: str) -> dict[int, str]:
        """The texts FOLDER/0, FOLDER/1, ... that there are, by number."""


class End(NamedTuple):
    """How a process ended.

    status: its exit status; 0 is well
    reason: what it says, or is said of it
    origin: the process with which it began; None: this one itself
    """

    status: int
    reason: str
    origin: int | None = None


class _Work(NamedTuple):
    """What the main thread does.

    kind: of the piece it works on; None: something that may take as long as it likes
    after: exchanges since the piece began
    waits: exchanges it has come to so far
    waiting: whether it waits in the last of them
    since: when this began, in seconds of the clock
    """

    kind: Hashable
    after: int
    waits: int
    waiting: bool
    since: float


class Watchdog:
    """The watch of one process over itself and the others.

    Args:
      board: which all processes see
      index: of this process
      names: of all processes, as the user knows them
      stop: asks this process to stop; called in process 0 when another was asked
      clock: seconds
      leave: ends this process with a status; does not return, but in tests
    """

    def __init__(
        self,
        board: Board,
        index: int,
        names: list[str],
        stop: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        self._board, self._index, self._names = board, index, names
        self._stop, self._clock, self._leave = stop, clock, leave
        self._asked = False
        self._pace = Pace()
        self._work = _Work(None, 0, 0, False, clock())
        self._signs: dict[int, tuple[str, float]] = {}
        self._all_waiting: float | None = None
        self._alarmed = False
        self._turns = 0
        self._end: tuple[float, End] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="watchdog")

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the watch: the processes part in peace."""
        self._stopped.set()
        self._thread.join()

    def piece(self, kind: Hashable) -> None:
        """The main thread begins a piece of work of a kind, or, with None, something without a limit."""
        work = self._finished()
        self._work = work._replace(kind=kind, after=0, waiting=False, since=self._clock())

    def wait(self) -> None:
        """The main thread comes to an exchange."""
        work = self._finished()
        self._work = work._replace(waits=work.waits + 1, waiting=True, since=self._clock())

    def go_on(self) -> None:
        """The exchange is over, and the piece goes on; the time until its next exchange counts alone."""
        work = self._work
        self._work = work._replace(after=work.after + 1, waiting=False, since=self._clock())

    def failing(self) -> None:
        """An exchange has failed: waits until it is known why, and this process ends; returns if that is not found."""
        self._alarmed = True
        self._work = self._work._replace(waiting=True, since=self._clock())
        time.sleep(SILENCE_SECONDS)

    def tell(self, end: End) -> None:
        """Puts this process's own end on the board, and waits until the others have seen it."""
        self._stopped.set()
        try:
            self._board.put(f"end/{self._index}", json.dumps(end))
            # Who keeps the board goes last: without it the others could not tell what has happened.
            patience = GRACE_SECONDS + 3 * PERIOD_SECONDS if self._index == 0 else 0.0
            until = time.monotonic() + patience
            while time.monotonic() < until and len(self._board.read("end")) < len(self._names):
                time.sleep(PERIOD_SECONDS / 5)
        except LostBoardError:
            return

    def turn(self) -> None:
        """Looks around once."""
        try:
            self._look()
        except LostBoardError:
            self._give_up(End(INTERRUPTED, "is gone, which the others meet at", origin=0))

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD_SECONDS):
            self.turn()

    def _look(self) -> None:
        now, work = self._clock(), self._work
        self._turns += 1
        self._board.put(f"sign/{self._index}", f"{self._turns} {work.waits} {int(work.waiting)}")
        if self._end is not None:
            if work.waiting or now > self._end[0]:
                self._give_up(self._end[1])
            return
        self._look_at_itself(work, now)
        if self._index == 0 and not self._asked and self._board.read("stop"):
            self._asked = True
            self._stop()
        signs, ends = self._board.read("sign"), self._board.read("end")
        for other in range(len(self._names)):
            if other == self._index:
                continue
            end = End(*json.loads(ends[other])) if other in ends else self._silence(other, signs.get(other, ""), now)
            if end is not None and end.status:
                self._end = (now + GRACE_SECONDS, end._replace(origin=other if end.origin is None else end.origin))
                if work.waiting:
                    self._give_up(self._end[1])
                return
        self._look_at_the_exchange(work, signs, now)

    def _silence(self, other: int, sign: str, now: float) -> End | None:
        """The end of a process that has given the same sign for too long."""
        if self._signs.get(other, (None, now))[0] != sign:
            self._signs[other] = (sign, now)
        silent = now - self._signs[other][1]
        if silent <= (ALARM_SECONDS if self._alarmed else SILENCE_SECONDS):
            return None
        end = End(INTERRUPTED, f"is gone: it has given no sign of life for {silent:.0f} s")
        self._board.put(f"end/{other}", json.dumps(end))
        return end

    def _look_at_itself(self, work: _Work, now: float) -> None:
        if work.waiting or work.kind is None:
            return
        took, limit = now - work.since, self._pace.limit(work.kind, work.after)
        if took > limit:
            faulthandler.dump_traceback(all_threads=True)
            reason = f"is stuck: a piece of its work has taken {took:.0f} s, {limit:.0f} s are allowed"
            self._say(f"this process {reason}; where, is told above")
            self._leave_after(End(INTERRUPTED, reason))

    def _look_at_the_exchange(self, work: _Work, signs: dict[int, str], now: float) -> None:
        """All at the same exchange, for too long: nobody is to blame."""
        if not (work.waiting and all(sign.split()[1:] == [str(work.waits), "1"] for sign in signs.values())):
            self._all_waiting = None
        elif self._all_waiting is None:
            self._all_waiting = now
        elif now - self._all_waiting > LEAST_SECONDS:
            self._give_up(End(INTERRUPTED, f"exchange {work.waits} hangs, to which all processes have come"))

    def _give_up(self, end: End) -> None:
        subject = "" if end.origin is None else f"{self._names[end.origin]} "
        remedy = "; run the same command again to resume" if end.status == INTERRUPTED else ""
        self._say(f"{subject}{end.reason}{remedy}")
        self._leave_after(end)

    def _leave_after(self, end: End) -> None:
        self.tell(end)
        sys.stdout.flush()
        self._leave(end.status)

    def _finished(self) -> _Work:
        """What the main thread has done until now, after its pace is learned."""
        work = self._work
        if work.kind is not None and not work.waiting:
            self._pace.took(work.kind, work.after, self._clock() - work.since)
        return work

    def _say(self, text: str) -> None:
        # Past Python's buffers, whose locks the main thread may hold.
        os.write(2, f"kdistill: {self._names[self._index]}: {text}\n".encode())
