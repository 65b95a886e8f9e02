"""The page of a sweep: every run, its figures, and a table that sorts."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

from kerneldistill.cli.main import main
from kerneldistill.report.sweep_page import PAGE, SCRIPT, sweep_page, write_sweep_page
from kerneldistill.runs.sweep.index import INDEX, KIP_COLUMNS, OUR_COLUMNS
from tests.helpers.pages import Page

ROWS = [
    {"run": "a-10", "status": "done", "test_acc": "0.91", "test_mse": "0.02", "ssize": "10", "l": "True"},
    {
        **{"run": "b-20", "status": "done", "test_acc": "0.955", "test_mse": "0.01", "ssize": "20", "l": "False"},
        **{"random_acc": "0.6", "random_acc_std": "0.05"},
    },
    {"run": "c-30", "status": "failed", "reason": "<b>no</b> room", "ssize": "30", "l": "True"},
]


def written(folder: Path) -> Path:
    lines = [",".join((*KIP_COLUMNS, *OUR_COLUMNS))]
    lines += [",".join(row.get(name, "") for name in (*KIP_COLUMNS, *OUR_COLUMNS)) for row in ROWS]
    (folder / INDEX).write_text("\n".join(lines) + "\n")
    return folder


def test_every_run_has_a_row_with_its_figures(tmp_path: Path) -> None:
    (tmp_path / "a-10" / "report").mkdir(parents=True)
    (tmp_path / "a-10" / "report" / "report.html").touch()
    page = Page(sweep_page(tmp_path, ROWS))
    assert "2 of 3 runs done" in page.text
    assert "The best predicts 95.5 % of its test images" in page.text
    assert "60.0 ± 5.0 %" in page.text
    assert "<b>no</b> room" in page.text  # text, not markup
    assert [link.attributes["href"] for link in page.named("a")] == ["a-10/report/report.html"]
    assert len(page.named("button")) == 8  # columns that no run has are left out
    (best,) = [row for row in page.named("tr") if row.attributes.get("class") == "strong"]
    assert best


def test_only_its_own_script_may_run(tmp_path: Path) -> None:
    text = sweep_page(tmp_path, ROWS)
    (script,) = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    assert script == SCRIPT
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "http" not in text.replace("http-equiv", "")


def test_the_command_writes_it_beside_the_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path)
    assert main(["report", str(folder)]) == 0
    assert f"page: {folder / PAGE}" in capsys.readouterr().err
    assert "c-30" in (folder / PAGE).read_text()
    assert main(["report", str(folder), "--out", "elsewhere.html"]) == 2
    assert "the page of a sweep lies beside its runs" in capsys.readouterr().err
    assert write_sweep_page(folder) == folder / PAGE


@pytest.mark.parametrize("damage", ["run,test_acc\na,many\n", 'run\n"a\n', "run\n\xff"])
def test_a_damaged_index_is_a_mistake(damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / INDEX).write_bytes(damage.encode("latin-1"))
    assert main(["report", str(tmp_path)]) == 2
    assert "index.csv is damaged" in capsys.readouterr().err
