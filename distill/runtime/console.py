"""What a user sees while a run goes on: a bar on a terminal, a line now and then elsewhere, a table at the end."""

import time
from collections.abc import Callable, Sequence
from types import TracebackType

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from kerneldistill.pipeline.untrusted.names import printable

# Between two lines where there is no terminal, unless there is a validation accuracy to tell.
LINE_SECONDS = 30.0

# Set in all processes of a run but the first, which tells for all.
quiet = False


class StepProgress:
    """Steps done, loss, validation accuracy, time per step and time left.

    Args:
      total: steps of the whole run.
      done: steps that are done already, when resuming.
      console: where to write; the standard error stream if it is not given, so that results can be piped.
      clock: seconds, for tests.

    Example:
      with StepProgress(total=300, done=start) as progress:
          for step in range(start, 300):
              ...
              progress.update(step + 1, loss)
    """

    def __init__(
        self, total: int, done: int = 0, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console or Console(stderr=True, quiet=quiet)
        self._clock = clock
        self._total = total
        # From where and since when the time per step is taken: the first step also compiles and is left out later.
        self._first, self._began = done, clock()
        self._updates = 0
        self._told = self._began
        self._accuracy: float | None = None
        self._bar = Progress(
            TextColumn("step {task.completed:>{task.fields[width]}}/{task.total}"),
            BarColumn(bar_width=None),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            expand=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, completed=done, width=len(str(total)))

    def __enter__(self) -> "StepProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, step: int, loss: float, validation_accuracy: float | None = None) -> None:
        """Tell that `step` steps are done.

        Args:
          step: steps done in all.
          loss: of the last step.
          validation_accuracy: 0..1, if it was measured after this step; the last one is repeated otherwise.
        """
        self._accuracy = self._accuracy if validation_accuracy is None else validation_accuracy
        now = self._clock()
        text = self._text(step, loss, now)
        self._updates += 1
        if self._updates == 1:
            self._first, self._began = step, now
        self._bar.update(self._task, completed=step, description=text)
        worth_a_line = (
            validation_accuracy is not None
            or self._updates == 1
            or step == self._total
            or now - self._told >= LINE_SECONDS
        )
        if not self._console.is_terminal and worth_a_line:
            self._told = now
            self._console.print(f"step {step}/{self._total}  {text}", highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Tell one line above the bar."""
        self._console.print(printable(text), highlight=False, markup=False, soft_wrap=True)

    def _text(self, step: int, loss: float, now: float) -> str:
        parts = [f"loss {loss:.5f}"]
        if self._accuracy is not None:
            parts.append(f"validation {self._accuracy:.1%}")
        if step > self._first:
            each = (now - self._began) / (step - self._first)
            parts.append(f"{duration(each)}/step")
            if step < self._total:
                parts.append(f"{duration(each * (self._total - step))} left")
        return "  ".join(parts)


def tell(text: str) -> None:
    """One line on the standard error stream, where all progress goes."""
    Console(stderr=True, quiet=quiet).print(printable(text), highlight=False, markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Seconds in the unit a person would choose: `80ms`, `2.4s`, `3m05s`, `2h10m`."""
    if seconds < 1:
        return f"{1000 * seconds:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


def closing_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], console: Console | None = None
) -> None:
    """Print the results: the first column left, the others right; plain columns but on a terminal or in a notebook.

    Args:
      title: one line above the table.
      header: names of the columns.
      rows: cells as text, each row as long as the header. The first row is the one that matters and is set in bold.
      console: where to write; the standard output if it is not given.
    """
    console = console or Console(quiet=quiet)
    title, rows = printable(title), [[printable(cell) for cell in row] for row in rows]
    if not (console.is_terminal or console.is_jupyter):
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        console.print(title, highlight=False, markup=False, soft_wrap=True)
        for row in (header, *rows):
            cells = [f"{cell:{'>' if column else '<'}{widths[column]}}" for column, cell in enumerate(row)]
            console.print("  ".join(cells).rstrip(), highlight=False, markup=False, soft_wrap=True)
        return
    table = Table(title=Text(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, header_style="dim")
    for column, name in enumerate(header):
        table.add_column(name, justify="right" if column else "left")
    for number, row in enumerate(rows):
        table.add_row(*map(Text, row), style="bold" if number == 0 else None)
    console.print(table)
