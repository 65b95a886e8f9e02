"""What a report finds about a bundle on prepared data that the user names: what it finds about its run."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import kerneldistill.report.compute_kernels
from kerneldistill.cli import main as cli
from kerneldistill.errors import UserError
from kerneldistill.report.regression import fit_of, fit_of_start
from kerneldistill.report.report import Examined, entry_of, write_report
from kerneldistill.report.report_entry import Absent, held
from kerneldistill.report.sections.certainty import calibration_error, certainty, predictors
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.verify import find_problems
from tests.helpers.pages import Page


@pytest.fixture
def alone(finished: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bundle of the finished run, given away."""
    monkeypatch.setattr("kerneldistill.runtime.devices.setup", lambda: None)  # this process has set up jax
    return Path(shutil.copytree(finished.bundle, tmp_path / "alone"))


def test_a_bundle_is_as_certain_as_its_run(finished: RunDir, alone: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(finished.path, tmp_path / "own"))  # a report keeps what it computes in the run
    ours, theirs = entry_of(own, Examined(60)), entry_of(alone, Examined(60, str(finished.prepared)))
    for run, bundle in zip(predictors(ours), predictors(theirs), strict=True):
        assert run.name == bundle.name
        np.testing.assert_allclose(bundle.confidence, run.confidence, atol=1e-3)
        assert calibration_error(bundle) == pytest.approx(calibration_error(run), abs=1e-3)
    assert fit_of(theirs).accuracy(fit_of(theirs).regressed) == fit_of(ours).accuracy(fit_of(ours).regressed)
    titles = [type(block).__name__ for block in certainty([theirs]).blocks]
    assert titles == ["Paragraph", "Table", "Beside", "Strip", "Strip"]


def test_what_it_began_as_is_told_by_rows_of_the_same_data_alone(
    finished: RunDir, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = entry_of(alone, Examined(30, str(finished.prepared)))
    start = Outcome.load(finished.outcome_file).start
    order = np.argsort(start.class_ids, kind="stable")
    np.testing.assert_allclose(entry.on_test.start_images, start.support.images[order], rtol=1e-6)
    assert fit_of_start(entry) is not None
    monkeypatch.setattr("kerneldistill.runs.evaluation_targets.BundleData.start", None)
    entry = entry_of(alone, Examined(31, str(finished.prepared)))
    assert fit_of_start(entry) is None
    assert fit_of(entry) is not None
    assert len(entry.on_test.start_pixels) == 0


def test_its_page_is_whole_and_quick_the_second_time(
    finished: RunDir, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["report", str(alone), "--prepared", str(finished.prepared), "--test-images", "40"]
    assert cli.main(words) == 0
    page = Page((alone.parent / "alone-report.html").read_text(encoding="utf-8"))
    assert "Accuracy by confidence" in page.text
    assert "calibration error" in page.text
    assert (alone.parent / "alone-evaluation" / "on_test.npz").exists()
    monkeypatch.setattr(kerneldistill.report.compute_kernels, "measure", None)
    assert cli.main(words) == 0


def test_without_data_it_says_how_to_name_them(alone: Path) -> None:
    entry = entry_of(alone, Examined(30))
    assert isinstance(entry.on_test, Absent)
    assert "--prepared DIR" in entry.on_test.reason
    assert held(entry_of(alone, Examined(0, "nowhere")).on_test) is None


def test_a_run_has_its_own_data(finished: RunDir, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--prepared is elsewhere, but RUN holds its prepared data"):
        write_report([finished.path], tmp_path / "page.html", Examined(30, "elsewhere"))


def test_what_lies_beside_a_runs_own_bundle_is_no_part_of_the_run(
    finished: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kerneldistill.runtime.devices.setup", lambda: None)
    own = RunDir(Path(shutil.copytree(finished.path, tmp_path / "own")))
    words = ["report", str(own.bundle), "--prepared", str(own.prepared), "--test-images"]
    assert cli.main([*words, "30"]) == 0
    own.finished.add()  # as the next stage does
    assert cli.main([*words, "31"]) == 0
    assert list(find_problems(own.path)) == []
