"""What goes on, as a user sees it: a line that moves on a terminal; elsewhere a line when something takes long.

    with activity("preparing cifar10", 60_000, "images") as told:
        told.update(4_096)

Activities may be inside others. On a terminal each has a line; elsewhere the innermost is told once it has taken
`WORTH_TELLING` seconds, and again after `SILENCE` seconds in which nothing else was.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import ExitStack, contextmanager, suppress
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task
from rich.text import Text

from kerneldistill.pipeline.untrusted.names import printable
from kerneldistill.runtime import once
from kerneldistill.runtime.console import duration, progress_console, shared, tell, told_at

# Seconds after which an activity, or compiling in it, is told of where there is no terminal.
WORTH_TELLING = 2.0
# The longest silence there.
SILENCE = 25.0

Item = TypeVar("Item")


class Activity:
    """Something that goes on.

    text: what, as in `preparing cifar10`
    total: how much there is to do; None if nobody knows
    unit: of it, as in `images`
    """

    def __init__(self, text: str, total: int | None = None, unit: str = "") -> None:
        self.text = printable(text)
        self.total = total
        self.unit = unit
        self.done = 0
        self.detail = ""
        # Chunks done and in all, of the pass that goes on.
        self.part: tuple[int, int] | None = None
        self.began = time.perf_counter()
        # Whether it is shown as it goes on; elsewhere lines are told.
        self.moves = False
        self.told = False
        self.told_once = False

    def update(self, done: int, detail: str = "", total: int | None = None) -> None:
        """Say how much is done, and anything else about it; `total` replaces how much there is."""
        self.done, self.detail = done, printable(detail)
        self.total = self.total if total is None else total

    def line(self) -> str:
        """Write it in one line."""
        done = f"{self.done:,} of {self.total:,} {self.unit}".strip() if self.total else ""
        part = f"part {self.part[0]} of {self.part[1]}" if self.part else ""
        doing = once.doing()
        aside = f"{doing.name} ..." if doing and time.perf_counter() - doing.since > 0.5 else ""
        return "  ".join(filter(None, (self.text, done, self.detail, part, aside)))


class Display:
    """Shows the activities of a process.

    Args:
      stream: where; the standard error stream, so that results can be piped
    """

    def __init__(self, stream: Console | None = None) -> None:
        self.stream = stream or progress_console()
        self.activities: list[Activity] = []
        self._bar = Progress(
            SpinnerColumn(), _Line(), BarColumn(20), console=self.stream, transient=True, refresh_per_second=4
        )

    @contextmanager
    def showing(self, activity: Activity) -> Iterator[Activity]:
        """Show an activity until the block ends."""
        with ExitStack() as stack:
            if not self.activities:
                stack.enter_context(self._at_work())
            activity.moves = self.stream.is_terminal
            self.activities.append(activity)
            stack.callback(self.activities.remove, activity)
            stack.callback(self._bar.remove_task, self._bar.add_task("", total=activity.total, activity=activity))
            yield activity

    def tick(self) -> None:
        """Tell, where there is no terminal, what has gone on for long or in silence."""
        now, compiling = time.perf_counter(), once.doing()
        activity = self.activities[-1]
        silence = now - max(told_at(), self._began)
        is_new = not activity.told and min(silence, now - activity.began) > WORTH_TELLING
        is_new |= compiling is not None and not activity.told_once and now - compiling.since > WORTH_TELLING
        if is_new or silence > SILENCE:
            activity.told = True
            activity.told_once |= compiling is not None
            took = f"  ({duration(now - activity.began)})" if now - activity.began > SILENCE else ""
            tell(f"{activity.line()}{'' if compiling or activity.detail else ' ...'}{took}")

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        self._began, stopped = time.perf_counter(), threading.Event()
        with shared(self.stream):
            if self.stream.is_terminal:
                self._bar.start()
            elif not self.stream.quiet:
                threading.Thread(target=self._ticking, args=(stopped,), daemon=True, name="progress").start()
            try:
                yield
            finally:
                stopped.set()
                if self.stream.is_terminal:
                    self._bar.stop()

    def _ticking(self, stopped: threading.Event) -> None:
        while not stopped.wait(0.5):
            with suppress(IndexError):  # the last one has just ended
                self.tick()


class _Line(ProgressColumn):
    """The line of an activity, and the seconds it has taken."""

    def render(self, task: Task) -> Text:
        activity: Activity = task.fields["activity"]
        task.total, task.completed = activity.total, activity.done
        return Text(f"{activity.line()}  {duration(time.perf_counter() - activity.began)}", overflow="ellipsis")


_display = Display()


@contextmanager
def activity(text: str, total: int | None = None, unit: str = "") -> Iterator[Activity]:
    """Show that something goes on until the block ends; see `Activity`."""
    global _display
    if not _display.activities:  # the streams may be others by now, as in a notebook
        _display = Display()
    with _display.showing(Activity(text, total, unit)) as shown:
        yield shown


def parts(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items, and tell which of how many it is as a part of the innermost activity."""
    total = len(items) if isinstance(items, Sized) else 0
    shown = _display.activities[-1:] if total > 1 else []
    for number, item in enumerate(items, 1):
        for found in shown:
            found.part = (number, total)
        yield item
    for found in shown:
        found.part = None
