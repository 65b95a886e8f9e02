"""All runs of a sweep as one page: a table that is sorted by the column that is clicked."""

import base64
import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.pipeline.untrusted.file import read_bounded
from kerneldistill.report.html import drawn, head
from kerneldistill.report.html_tree import node, page
from kerneldistill.report.scaling import scaling
from kerneldistill.runs.sweep.index import INDEX
from kerneldistill.runtime.environment import code_version

PAGE = "index.html"


class Column(NamedTuple):
    """A column: `key` in the index, what it is called, and whether it is a part of 1, shown in per cent."""

    key: str
    title: str
    percent: bool = False


COLUMNS = (
    Column("run", "run"),
    Column("status", "status"),
    Column("test_acc", "test accuracy", percent=True),
    Column("random_acc", "random real", percent=True),
    Column("validation_acc", "validation", percent=True),
    Column("test_mse", "test mse"),
    Column("dataset", "data set"),
    Column("architecture", "network"),
    Column("ssize", "images"),
    Column("whiten", "whitening"),
    Column("l", "labels learned"),
    Column("aug", "augmented"),
    Column("ckpt", "step"),
    Column("command", "command"),
    Column("reason", "why it failed"),
)

# Shown even where they are the same in all runs.
ALWAYS = ("run", "status", "test_acc", "random_acc", "validation_acc", "test_mse", "reason")

# Plain and small: it moves rows, and says in which order they are.
SCRIPT = """
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => {
  const head = button.closest("th"), body = head.closest("table").tBodies[0];
  const up = head.getAttribute("aria-sort") !== "ascending";
  const value = row => row.cells[head.cellIndex].dataset.value;
  const order = (a, b) => {
    const x = value(a), y = value(b);
    if (x === "" || y === "") return (x === "") - (y === "");
    const numbers = !isNaN(x) && !isNaN(y);
    return (up ? 1 : -1) * (numbers ? x - y : x.localeCompare(y));
  };
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  body.append(...[...body.rows].sort(order));
});
"""


def is_sweep(folder: Path) -> bool:
    """Return whether a folder holds the index of a sweep."""
    return (folder / INDEX).is_file()


def write_sweep_page(folder: Path) -> Path:
    """Write the page of a sweep from its index, into its folder; return its file.

    Raises:
      UserError: the index is damaged.
    """
    file = folder / INDEX
    try:
        text = read_bounded(file).decode("utf-8")
        content = sweep_page(folder, list(csv.DictReader(io.StringIO(text), strict=True)))
    except (ValueError, csv.Error) as error:  # no text, no table, or a figure that is no number
        raise UserError(f"{file} is damaged ({error}): kdistill sweep writes it again") from error
    write_whole(folder / PAGE, content.encode())
    return folder / PAGE


def sweep_page(folder: Path, rows: Sequence[Mapping[str, str]]) -> str:
    """Return the page; `folder`: where the runs are, which may have reports to link to."""
    shown, common = _told_apart(rows)
    scored = [float(row["test_acc"]) for row in rows if row.get("test_acc")]
    done = sum(row.get("status") == "done" for row in rows)
    title = f"{folder.resolve().name}: {done} of {len(rows)} runs done"
    lead = f"The best predicts {100 * max(scored):.1f} % of its test images." if scored else "None has been tested yet."
    best = max(scored, default=None)
    header = [_heading(column) for column in shown]
    lines = [_row(row, shown, folder, best) for row in rows]
    table = node("table", node("thead", node("tr", header)), node("tbody", lines), class_="sorted")
    said = "A click on the name of a column sorts by it."
    if common:
        same = ", ".join(f"{column.title} {_written(column, value)}" for column, value in common.items())
        said += f" The same in all runs: {same}."
    body = node(
        "body",
        node("header", node("h1", title), node("p", lead, class_="lead")),
        node(
            "main",
            node("p", said),
            node("div", table, class_="scrolled", role="region", tabindex="0", aria_label="Runs"),
            _laws(rows),
        ),
        node("footer", node("p", f"Made by kerneldistill {code_version()} from {INDEX}, which has more columns.")),
        node("script", SCRIPT),
        class_="wide-page",
    )
    return page(node("html", head(title, _policy()), body, lang="en"))


def _policy() -> str:
    """Let in the page's own script, and nothing from elsewhere."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )


def _laws(rows: Sequence[Mapping[str, str]]) -> Element | None:
    blocks = scaling(rows)
    return node("section", node("h2", "Scaling laws"), [drawn(block) for block in blocks]) if blocks else None


def _told_apart(rows: Sequence[Mapping[str, str]]) -> tuple[list[Column], dict[Column, str]]:
    """The columns in which the runs differ, or which always matter; and the value of those in which they do not."""
    held = [column for column in COLUMNS if any(row.get(column.key) for row in rows)]
    common = {
        column: rows[0].get(column.key, "")
        for column in held
        if column.key not in ALWAYS and len({row.get(column.key, "") for row in rows}) == 1 and len(rows) > 1
    }
    return [column for column in held if column not in common], common


def _heading(column: Column) -> Element:
    first = node("button", column.title, type="button")
    return node("th", first, scope="col", class_="number" if _is_number(column) else None)


def _is_number(column: Column) -> bool:
    return column.percent or column.key in ("ssize", "test_mse", "ckpt")


def _row(row: Mapping[str, str], shown: Sequence[Column], folder: Path, best: float | None) -> Element:
    is_best = bool(row.get("test_acc")) and float(row["test_acc"]) == best
    return node("tr", [_cell(row, column, folder) for column in shown], class_="strong" if is_best else None)


def _cell(row: Mapping[str, str], column: Column, folder: Path) -> Element:
    value = row.get(column.key) or ""
    text = _written(column, value, row.get(f"{column.key}_std"))
    report = f"{value}/report/report.html"
    if column.key == "run":
        name = node("a", text, href=report) if (folder / report).is_file() else text
        return node("th", name, scope="row", data_value=value)
    kind = "number" if _is_number(column) else "reason" if column.key == "reason" else None
    return node("td", text, class_=kind, data_value=value)


def _written(column: Column, value: str, deviation: str | None = None) -> str:
    if value and column.percent:
        return f"{100 * float(value):.1f}{f' ± {100 * float(deviation):.1f}' if deviation else ''} %"
    if value and column.key == "test_mse":
        return f"{float(value):.4f}"
    return {"True": "yes", "False": "no"}.get(value, value)
