"""The command, from a run directory, a bundle, and what is neither, to files."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import kerneldistill.report.compute_kernels
from kerneldistill.bundle.manifest import Evidence, Origin
from kerneldistill.bundle.reader import NO_START
from kerneldistill.bundle.writer import write_bundle
from kerneldistill.cli import main as cli
from kerneldistill.config.toml import config_to_toml
from kerneldistill.errors import UserError
from kerneldistill.report.html import html
from kerneldistill.report.regression import fit_of, fit_of_start
from kerneldistill.report.report import Examined, compose, default_out, entry_of, write_report
from kerneldistill.report.report_entry import Absent, check_folder, entry_of_bundle, entry_of_run, named_apart
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.training.metrics import MetricsLog
from tests.helpers.bundles import make_contents
from tests.helpers.pages import Page
from tests.helpers.reports import make_entry, make_on_test, make_results

NO_TEST = Absent("not asked for")


@pytest.fixture
def own(finished: RunDir, tmp_path: Path) -> RunDir:
    """A copy of the finished run."""
    return RunDir(Path(shutil.copytree(finished.path, tmp_path / "own")))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "given away"
    write_bundle(folder, make_contents(label_mode="learned"))
    return folder


def test_a_report_of_a_run_is_quick_the_second_time(
    own: RunDir, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kerneldistill.runtime.devices.setup", lambda: None)  # this process has set up jax
    assert cli.main(["report", str(own.path)]) == 0
    out = own.path / "report" / "report.html"
    assert str(out) in capsys.readouterr().err
    first = out.read_text(encoding="utf-8")
    page = Page(first)
    assert page.named("h1")
    assert "all test images" in page.text
    entry = entry_of(own.path, Examined(2000))
    fit, start = fit_of(entry), fit_of_start(entry)
    assert fit.accuracy(fit.regressed) == entry.results.learned.accuracy
    assert fit.mse(fit.regressed) == pytest.approx(entry.results.learned.mse, rel=1e-6)
    assert start.accuracy(start.regressed) == entry.results.start.accuracy
    assert "Not shown" in page.text  # no protocol was evaluated
    assert f"<report_files/{next((out.parent / 'report_files').iterdir()).name}>" in out.with_suffix(".md").read_text()

    def never(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(kerneldistill.report.compute_kernels, "measure", never)
    shutil.rmtree(own.checkpoints)
    assert cli.main(["report", str(own.path)]) == 0
    assert out.read_text(encoding="utf-8") == first
    with pytest.raises(AssertionError, match="computed again"):
        cli.main(["report", str(own.path), "--test-images", "31"])


def test_without_test_images_no_kernel_is_computed(
    own: RunDir, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kerneldistill.report.compute_kernels, "measure", None)
    out = tmp_path / "both.html"
    assert cli.main(["report", str(own.path), str(bundle), "--out", str(out), "--test-images", "0"]) == 0
    page = Page(out.read_text(encoding="utf-8"))
    assert "--test-images is 0" in page.text
    assert "a bundle is what a run gives away" in page.text
    assert len(page.named("img")) == 10 + 7 + 1  # both supports, and how one evolved; no starts, no test images
    assert (tmp_path / "both.md").exists()
    assert any((tmp_path / "both_files").iterdir())
    assert not (bundle / "report").exists()


def test_a_run_that_goes_on_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    rundir = RunDir(tmp_path / "begun")
    rundir.path.mkdir()
    rundir.config_file.write_text(config_to_toml(make_entry().config))
    log = MetricsLog(rundir.metrics_file)
    for step in range(1, 4):
        log.append({"step": step, "loss": 1 / step})
    written = write_report([rundir.path], default_out([rundir.path]), Examined(10))
    page = Page(written.html.read_text(encoding="utf-8"))
    assert "has not ended" in page.text
    assert page.text.count("outcome.npz is not there: the run has not ended") >= 5
    (loss,) = [e for e in page.named("svg") if e.attributes["aria-label"].startswith("Loss")]
    assert "from 1 at 1 to 0.333 at 3" in loss.attributes["aria-label"]


def test_a_kernel_that_cannot_be_inverted_is_told(own: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(Outcome.load(own.outcome_file).start.init_indices)
    singular = replace(make_on_test(), ntk_ss=-np.eye(size))
    monkeypatch.setattr("kerneldistill.report.report.kept", lambda *_: singular)
    entry = entry_of(own.path, Examined(10))
    assert "eigenvalue" in entry.on_test.reason


def test_prepared_data_that_are_gone_cost_only_what_needs_them(own: RunDir) -> None:
    shutil.rmtree(own.prepared)
    written = write_report([own.path], default_out([own.path]), Examined(10))
    page = Page(written.html.read_text(encoding="utf-8"))
    assert "kdistill prepare makes it again" in page.text
    assert "and with it the way back to pixels" in page.text
    assert [e for e in page.named("svg") if e.attributes["aria-label"].startswith("Loss")]


def test_what_a_bundle_holds(bundle: Path) -> None:
    entry = entry_of_bundle(bundle)
    assert entry.learned.images.shape == (7, 6, 5, 3)
    assert list(entry.learned.class_ids) == sorted(entry.learned.class_ids)
    assert isinstance(entry.results, Absent)  # made up ones, of another form
    assert isinstance(entry.records, Absent)
    write_bundle(bundle, make_contents(results=json.loads(make_results().to_json())))
    assert entry_of_bundle(bundle).results == make_results()
    assert entry_of_bundle(bundle).protocols == make_results().protocols


def test_an_imported_set_is_called_one(tmp_path: Path) -> None:
    origin = Origin("best.npz", "5" * 64, "npz of RFAD", "NCHW", "one-hot", "whitened", (Evidence("none", 0.5, 40),))
    size = len(make_contents().images)
    unknown = {
        "origin": origin,
        "starts": None,
        "init_indices": np.full(size, NO_START),
        "results": {},
        "step": 0,
        "label_mode": "fixed",
    }
    write_bundle(tmp_path / "imported", make_contents(**unknown))
    page = Page(html(compose([entry_of(tmp_path / "imported", Examined(10))])))
    assert "7 learned images of tiny 1.0.0 from best.npz" in page.text
    assert "where they began is not known" in page.text
    assert "nothing was measured when it was imported" in page.text
    assert "npz of RFAD" in page.text
    assert "50.0\N{NO-BREAK SPACE}% of 40 images" in page.text
    assert "report on the run directory" not in page.text


def test_what_a_run_holds(finished: RunDir) -> None:
    entry = entry_of_run(finished, NO_TEST)
    assert entry.dataset == "digits 1.0.0"
    assert entry.learned.pixels.shape == (10, 8, 8, 1)
    assert len(entry.records) == 13
    assert entry.sessions[0].backend == "cpu"
    assert entry.origin is None


def test_names_are_as_long_as_tells_them_apart() -> None:
    paths = [Path("/a/x/run"), Path("/a/y/run"), Path("/a/y/other")]
    entries = [replace(make_entry(), path=path) for path in paths]
    assert [entry.name for entry in named_apart(entries)] == ["x/run", "y/run", "y/other"]
    assert [entry.name for entry in named_apart(entries[1:])] == ["run", "other"]
    assert [entry.name for entry in named_apart(entries[:1] * 2)] == ["/a/x/run"] * 2


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "RUN is missing"),
        (["nowhere"], "is no folder"),
        (["."], "has neither the config.toml of a run nor the files of a bundle"),
        (["nowhere", "--out", "report.pdf"], "allowed is a name that ends with .html"),
        (["nowhere", "--test-images", "-1"], "--test-images is -1, allowed is 0 or more"),
    ],
)
def test_refusals_are_one_line(
    args: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", *args]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_named(own: RunDir) -> None:
    own.outcome_file.write_bytes(own.outcome_file.read_bytes()[:200])
    with pytest.raises(UserError, match=r"outcome\.npz is damaged"):
        write_report([own.path], default_out([own.path]), Examined(0))
    with pytest.raises(UserError, match="is no folder"):
        check_folder(own.path / "config.toml")
