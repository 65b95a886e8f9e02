"""verify: every fault of a run directory and of a bundle is a line, and nothing is changed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.bundle.reader import find_problems as bundle_problems
from kerneldistill.cli.main import main
from kerneldistill.pipeline.storage.files import names_below, sha256
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.verify import find_problems
from tests.helpers.mutants import sign


@pytest.fixture
def copy(finished: RunDir, tmp_path: Path) -> RunDir:
    """A finished run that may be broken."""
    return RunDir(Path(shutil.copytree(finished.path, tmp_path / "run")))


def digests(folder: Path) -> dict[str, str]:
    return {name: sha256(folder / name) for name in names_below(folder)}


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def flip_checkpoint(rundir: RunDir) -> None:
    files = [path for path in rundir.checkpoints.rglob("*") if path.parent.name == "d" and path.stat().st_size > 1000]
    content = bytearray(files[0].read_bytes())
    content[len(content) // 2] ^= 1
    files[0].write_bytes(content)


def append_to_checkpoint(rundir: RunDir) -> None:
    append(
        max((path for path in rundir.checkpoints.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    )


def change_outcome(rundir: RunDir) -> None:
    outcome = Outcome.load(rundir.outcome_file)
    outcome.support.images[0] += 1
    outcome.save(rundir.outcome_file)


def out_of_order(rundir: RunDir) -> None:
    lines = rundir.metrics_file.read_text().splitlines(keepends=True)
    rundir.metrics_file.write_text("".join(reversed(lines)))


FAULTS: dict[str, tuple[Callable[[RunDir], None], str]] = {
    "config": (lambda run: append(run.config_file), "config.toml"),
    "shard": (lambda run: append(next(run.prepared.rglob("*.array_record"))), "the manifest says"),
    "stranger": (lambda run: (run.prepared / "mine.txt").touch(), "is not of this data set; remove it"),
    "manifest": (lambda run: append(run.prepared / "manifest.json"), "manifest.json is damaged"),
    "fingerprint": (lambda run: run.fingerprint_file.write_text("0"), "put the data back that the run began with"),
    "metrics": (lambda run: run.metrics_file.write_text("x\ny\n"), "is damaged at line 1"),
    "order": (out_of_order, "is damaged at line 1: it, or a line before it, is not as it was written"),
    "checkpoint": (flip_checkpoint, "checkpoints/"),
    "metrics cut": (lambda run: run.metrics_file.write_bytes(run.metrics_file.read_bytes()[:-200]), "metrics.jsonl"),
    "metrics emptied": (lambda run: run.metrics_file.write_bytes(b""), "lacks the steps before checkpoint 12"),
    "metrics deleted": (lambda run: run.metrics_file.unlink(), "lacks the steps before checkpoint 12"),
    "environment": (lambda run: append(run.environment_file), "environment.json is not as it was written"),
    "live picture": (lambda run: run.live_picture.unlink(), "live.png is missing"),
    "events": (lambda run: append(next(run.events.iterdir())), "is not as it was written: its sha256 differs"),
    "no fingerprint": (lambda run: run.fingerprint_file.unlink(), "data.fingerprint is missing"),
    "no stages": (lambda run: run.stages_file.unlink(), "stages.json is missing"),
    "a folder for stages": (lambda run: (run.stages_file.unlink(), run.stages_file.mkdir()), "stages.json is missing"),
    "bytes of a checkpoint that no leaf uses": (append_to_checkpoint, "is not as it was written: its sha256 differs"),
    "digests": (lambda run: append(run.path / "digests.json"), "digests.json is damaged"),
    "no digests": (lambda run: (run.path / "digests.json").unlink(), "digests.json is missing"),
    "no data": (lambda run: shutil.rmtree(run.prepared), "no manifest.json in"),
    "outcome": (lambda run: append(run.outcome_file), "not as `distill` made it"),
    "other outcome": (change_outcome, "its images are not those of"),
    "results": (lambda run: run.results_file.write_text("{}"), "results.json is damaged"),
    "picture": (lambda run: append(run.picture), "not as `export` made it"),
    "bundle": (lambda run: append(run.bundle / "support.npz"), "support.npz is damaged"),
    "bundle's manifest": (lambda run: (run.bundle / "manifest.json").unlink(), "has no manifest.json"),
}


def test_a_run_as_it_was_written_has_none(finished: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    before = digests(finished.path)
    assert list(find_problems(finished.path)) == []
    assert main(["verify", str(finished.path)]) == 0
    assert capsys.readouterr().out == f"{finished.path}, a run directory: all as it was written\n"
    assert main(["verify", str(finished.bundle)]) == 0
    assert "10 images distilled from digits 1.0.0: all as it was written" in capsys.readouterr().out
    assert main(["verify", str(finished.prepared)]) == 0
    assert digests(finished.path) == before


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named(copy: RunDir, name: str) -> None:
    act, message = FAULTS[name]
    act(copy)
    before = digests(copy.path)
    found = list(find_problems(copy.path))
    assert any(message in fault for fault in found), found
    assert not any("\n" in fault for fault in found)
    assert digests(copy.path) == before


def test_all_faults_are_told_and_counted(copy: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("stranger", "fingerprint", "metrics", "results", "bundle"):
        FAULTS[name][0](copy)
    assert main(["verify", str(copy.path)]) == 2
    *faults_told, last = capsys.readouterr().err.splitlines()
    assert len(faults_told) >= 6
    assert last == f"kdistill: error: {copy.path} has {len(faults_told)} problems, named above"
    for name in ("stranger", "fingerprint", "metrics", "results", "bundle"):
        assert any(FAULTS[name][1] in line for line in faults_told)


def test_a_bundle_with_a_stranger_and_two_damaged_files_has_three_faults(copy: RunDir) -> None:
    append(copy.bundle / "results.json")
    (copy.bundle / "README.md").unlink()
    (copy.bundle / "notes.txt").touch()
    found = list(bundle_problems(copy.bundle))
    assert len(found) == 3
    for message, fault in zip(
        ("README.md is missing", "results.json is damaged", "notes.txt is not"), found, strict=True
    ):
        assert message in fault


def test_a_run_that_has_only_begun_has_no_faults(finished: RunDir, tmp_path: Path) -> None:
    shutil.copy(finished.config_file, tmp_path / "config.toml")
    assert list(find_problems(tmp_path)) == []


def test_a_bundle_of_arrays_that_contradict_each_other_is_named(copy: RunDir) -> None:
    # What no digest finds: they are made to match.
    with np.load(copy.bundle / "support.npz") as support:
        arrays = dict(support)
    np.savez(copy.bundle / "support.npz", **{**arrays, "class_ids": arrays["class_ids"][::-1]})
    sign(copy.bundle)
    assert ["class_ids are not classes" in fault for fault in bundle_problems(copy.bundle)] == [True]
    document = json.loads((copy.bundle / "manifest.json").read_text())
    assert document["files"]["support.npz"] == sha256(copy.bundle / "support.npz")


def test_a_run_that_is_killed_between_two_files_has_no_faults(finished: RunDir, copy: RunDir) -> None:
    # What is being written is forgotten first: neither the old content nor the new is wrong then.
    copy.finished.forget(copy.results_file, copy.metrics_file, copy.checkpoints)
    assert list(find_problems(copy.path)) == []
    copy.finished.add()
    assert (copy.path / "digests.json").read_bytes() == (finished.path / "digests.json").read_bytes()


def test_reports_and_exports_refuse_what_is_damaged(copy: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    results = copy.results_file.read_text()
    copy.results_file.write_text(results.replace('"accuracy": 0.', '"accuracy": 0.1', 1))
    for words in (["report", str(copy.path), "--test-images", "0"], ["export", str(copy.path)]):
        assert main(words) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
        assert "results.json is not as it was written" in line
        assert f"(kdistill verify {copy.path} names all that is damaged)" in line
