"""What a user sees: lines now and then without a terminal, a bar with one, and a table at the end."""

import io
import sys
import types

import pytest
from rich.console import Console

from kerneldistill.runtime.console import StepProgress, closing_table, duration

ROWS = [["learned", "93.1 %"], ["random [real] images", "71.4 %"]]


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def written(terminal: bool) -> tuple[Console, io.StringIO]:
    buffer = io.StringIO()
    return Console(file=buffer, force_terminal=terminal, width=100), buffer


def test_without_a_terminal_there_is_a_line_when_there_is_something_to_tell() -> None:
    console, buffer = written(terminal=False)
    clock = Clock()
    with StepProgress(60, done=20, console=console, clock=clock) as progress:
        for step in range(21, 61):
            clock.now += 9 if step == 21 else 2
            progress.update(step, 1 / step, 0.875 if step == 30 else None)
    lines = buffer.getvalue().splitlines()
    assert lines[0] == "step 21/60  loss 0.04762  9.0s/step  5m51s left"
    assert lines[1] == "step 30/60  loss 0.03333  validation 87.5%  2.0s/step  1m00s left"
    assert [line.split()[1] for line in lines] == ["21/60", "30/60", "45/60", "60/60"]
    assert lines[-1] == "step 60/60  loss 0.01667  validation 87.5%  2.0s/step"


def test_on_a_terminal_there_is_a_bar() -> None:
    console, buffer = written(terminal=True)
    with StepProgress(3, console=console) as progress:
        for step in (1, 2, 3):
            progress.update(step, 0.5, 0.25)
    text = buffer.getvalue()
    assert "step 3/3" in text
    assert "━" in text
    assert "loss 0.50000  validation 25.0%" in text


def test_the_bar_leaves_the_terminal_in_order_after_an_error() -> None:
    console, buffer = written(terminal=True)
    with pytest.raises(ZeroDivisionError), StepProgress(3, console=console):
        raise ZeroDivisionError
    assert buffer.getvalue().rstrip().endswith("\x1b[?25h")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.08, "80ms"), (2.44, "2.4s"), (59.7, "59.7s"), (185.2, "3m05s"), (3599.7, "1h00m"), (7800, "2h10m")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_piped_table_is_plain_columns() -> None:
    console, buffer = written(terminal=False)
    closing_table("test accuracy", ["", "accuracy"], ROWS, console)
    assert buffer.getvalue() == (
        "test accuracy\n"
        "                      accuracy\n"
        "learned                 93.1 %\n"
        "random [real] images    71.4 %\n"
    )


def test_the_table_on_a_terminal_has_every_cell() -> None:
    console, buffer = written(terminal=True)
    closing_table("test accuracy", ["", "accuracy"], ROWS, console)
    for text in ("test accuracy", *ROWS[0], *ROWS[1], "─"):
        assert text in buffer.getvalue()


def test_a_notebook_shows_the_lines_of_progress_and_a_drawn_table(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    notebook = types.ModuleType("IPython.display")
    monkeypatch.setattr(notebook, "display", lambda shape: shown.append(shape.text), raising=False)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", notebook)
    console = Console(force_jupyter=True)
    with StepProgress(2, console=console) as progress:
        progress.update(1, 0.5, 0.25)
        progress.update(2, 0.25, 0.75)
    assert [line.split("  ")[0] for line in shown] == ["step 1/2", "step 2/2"]
    closing_table("digits", ["support", "accuracy"], ROWS, console)
    assert "───" in shown[-1]
    assert "random [real] images" in shown[-1]
