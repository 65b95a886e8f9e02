"""Lines, and a table at the end, on the user's terminal or wherever it goes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kerneldistill.pipeline.untrusted.names import printable

# Set in all processes of a run but the first, which tells for all.
quiet = False
# Set where results alone are asked for.
_hushed = False

# The stream on which something moves now, and when a line was last told.
_shared: Console | None = None
_told_at = 0.0


# Puts a line as the caller says it: the commands name flags, Python's functions name keywords.
_worded: Callable[[str], str] = str


@contextmanager
def worded(words: Callable[[str], str]) -> Iterator[None]:
    """Put all lines in other words until the block ends."""
    global _worded
    before, _worded = _worded, words
    try:
        yield
    finally:
        _worded = before


@contextmanager
def hushed() -> Iterator[None]:
    """Tell nothing of what goes on until the block ends; results are printed all the same."""
    global _hushed
    before, _hushed = _hushed, True
    try:
        yield
    finally:
        _hushed = before


def progress_console() -> Console:
    """Return the standard error stream, where all progress goes."""
    return Console(stderr=True, quiet=quiet or _hushed)


@contextmanager
def shared(console: Console) -> Iterator[None]:
    """Let all lines go through `console` until the block ends: what moves on a terminal moves below them."""
    global _shared
    before, _shared = _shared, console
    try:
        yield
    finally:
        _shared = before


def tell(text: str) -> None:
    """Print one line on the standard error stream, where all progress goes."""
    global _told_at
    _told_at = time.perf_counter()
    console = _shared or progress_console()
    console.print(printable(_worded(text)), highlight=False, markup=False, soft_wrap=True)


def told_at() -> float:
    """Return when a line was last told, in seconds of `time.perf_counter`."""
    return _told_at


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


def roughly(seconds: float) -> str:
    """Write seconds as one says them of something that lies ahead: `45 s`, `25 minutes`, `40 hours`, `5 days`."""
    for unit, size, end in (("s", 1, 90), ("minutes", 60, 90), ("hours", 3600, 48)):
        if seconds < end * size:
            return f"{max(1, round(seconds / size))} {unit}"
    return f"{round(seconds / 86400):,} days"


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
