"""`kdistill evaluate --study` on a run and on its bundle, as a user gives it, and what a report finds of it."""

import shutil
from pathlib import Path

import pytest

from kerneldistill.cli.main import main
from kerneldistill.evaluation import curve_study, rate_study
from kerneldistill.report.report_entry import Absent, entry_of_bundle, entry_of_run
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.results import Results
from kerneldistill.runtime import devices

WORDS = ["--study", "curves", "rates", "--networks", "mlp-w4-d1", "--seeds", "1"]


@pytest.fixture
def rundir(finished: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """A copy of a finished run, and studies of a few steps."""
    monkeypatch.setattr(devices, "setup", lambda: None)
    for module in (curve_study, rate_study):
        monkeypatch.setattr(module, "STEPS", 5)
    return RunDir(Path(shutil.copytree(finished.path, tmp_path / "run")))


def test_studies_are_told_kept_and_found_by_the_report(rundir: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    before = Results.load(rundir.results_file)
    assert main(["evaluate", str(rundir.path), *WORDS]) == 0
    written = capsys.readouterr()
    assert "the network linearised at its first weights" in written.out
    assert "mlp-w4-d1: the rate that is best on validation at width 4" in written.err
    assert f"stored in {rundir.evaluation / 'curves.json'}" in written.err
    assert Results.load(rundir.results_file) == before
    studies = entry_of_run(rundir, Absent("")).studies
    assert [each.network for each in (*studies.rates, *studies.curves)] == ["mlp-w4-d1"] * 2
    assert main(["evaluate", str(rundir.path), "--study", "curves", "--networks", "mlp-w6-d1"]) == 0
    assert [each.network for each in entry_of_run(rundir, Absent("")).studies.curves] == ["mlp-w4-d1", "mlp-w6-d1"]


def test_a_bundle_is_studied_on_prepared_data(rundir: RunDir, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(rundir.bundle, tmp_path / "alone"))
    words = ["evaluate", str(bundle), "--prepared", str(rundir.prepared), "--study", "curves"]
    assert main([*words, "--networks", "mlp-w4-d1"]) == 0
    assert (tmp_path / "alone-evaluation" / "curves.json").exists()
    assert [each.network for each in entry_of_bundle(bundle).studies.curves] == ["mlp-w4-d1"]


def test_what_is_damaged_is_told_before_anything_slow(
    rundir: RunDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rundir.evaluation.mkdir(exist_ok=True)
    (rundir.evaluation / "rates.json").write_text("[{}]")
    monkeypatch.setattr(curve_study, "curve_study", None)  # the first study would call it
    assert main(["evaluate", str(rundir.path), *WORDS]) == 2
    assert (
        "rates.json is damaged: remove it, and kdistill evaluate --study rates makes it again"
        in capsys.readouterr().err
    )
