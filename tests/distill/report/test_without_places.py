"""A report that is shared says nothing of where it was made."""

from dataclasses import replace
from pathlib import Path

import pytest

from kerneldistill.cli.main import main
from kerneldistill.report.html import html
from kerneldistill.report.markdown import Markdown
from kerneldistill.report.report import compose, default_out
from kerneldistill.report.report_entry import Absent
from kerneldistill.runs.directory import RunDir
from tests.helpers.reports import make_entry


def test_paths_of_this_machine_are_in_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    entry = make_entry()
    config = replace(
        entry.config,
        data=replace(entry.config.data, dir="/home/somebody/secret/pets"),
        support=replace(entry.config.support, start="/mnt/of/others/run-7"),
    )
    path = tmp_path / "runs" / "mine"
    lost = Absent(f"{path}/prepared is not there; kdistill prepare {path} makes it")
    found = replace(entry, path=path, config=config, on_test=lost)
    document = compose([found, replace(found, name="other", path=Path("/srv/long/way/other"))])
    for text in (html(document), Markdown(document, "files").text):
        assert all(place not in text for place in (str(tmp_path), "/home/somebody", "/mnt/of", "/srv/long"))
        assert "pets" in text
        assert "run-7" in text
        assert "runs/mine/prepared is not there" in text.replace("\\", "")


def test_a_report_lies_beside_what_it_is_of(finished: RunDir, tmp_path: Path) -> None:
    assert default_out([finished.path]) == finished.path / "report" / "report.html"
    assert default_out([finished.bundle]) == finished.path / "bundle-report.html"
    assert default_out([finished.bundle, tmp_path]) == finished.path / "report.html"


@pytest.mark.parametrize("there", [True, False])
def test_a_report_is_shown_in_the_browser(
    there: bool,
    finished: RunDir,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: shown.append(address) or there)
    out = tmp_path / "page.html"
    words = ["report", str(finished.bundle), "--test-images", "0", "--out", str(out)]
    assert main(words) == 0
    assert shown == []
    assert main([*words, "--open"]) == 0
    assert shown == [out.as_uri()]
    assert (f"open {out} with one" in capsys.readouterr().err) is not there
