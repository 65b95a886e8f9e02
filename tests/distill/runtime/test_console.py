"""A table at the end, and durations."""

import io
import sys
import types

import pytest
from rich.console import Console

from kerneldistill.runtime.console import closing_table, duration

ROWS = [["learned", "93.1 %"], ["random [real] images", "71.4 %"]]


def written(terminal: bool) -> tuple[Console, io.StringIO]:
    buffer = io.StringIO()
    return Console(file=buffer, force_terminal=terminal, width=100), buffer


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


def test_a_notebook_shows_a_drawn_table(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    notebook = types.ModuleType("IPython.display")
    monkeypatch.setattr(notebook, "display", lambda shape: shown.append(shape.text), raising=False)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", notebook)
    console = Console(force_jupyter=True)
    closing_table("digits", ["support", "accuracy"], ROWS, console)
    assert "───" in shown[-1]
    assert "random [real] images" in shown[-1]
