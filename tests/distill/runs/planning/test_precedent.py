"""A run becomes a record, and plans and runs of the same settings quote it: what was reached, when, and when here."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import kerneldistill.runs.planning.precedent as precedents
from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.runs import stages
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning.calibration import Speed
from kerneldistill.runs.planning.dataset_size import size_of
from kerneldistill.runs.planning.machine import Machine
from kerneldistill.runs.planning.plan import Plan, plan_of
from kerneldistill.runs.planning.precedent import FOLDER, precedent_for, precedent_of
from kerneldistill.runs.planning.table import table
from kerneldistill.runs.planning.workload import workload_of
from kerneldistill.runs.results import Results
from kerneldistill.runs.training.metrics import MetricsLog
from kerneldistill.runtime.console import duration
from kerneldistill.runtime.text import percent
from scripts import record


@pytest.fixture
def recorded(finished: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of records with that of a finished run, which the program reads."""
    monkeypatch.setattr("sys.argv", ["record", str(finished.path), "--out", str(tmp_path)])
    record.main()
    monkeypatch.setattr(precedents, "FOLDER", tmp_path)
    return tmp_path


def plan(config: Config, finished: RunDir, speed: Speed | None = None) -> Plan:
    return plan_of(workload_of(config, size_of(config, finished.prepared), 2), Machine("cpu", 2, None), speed)


def test_a_plan_quotes_what_a_run_of_its_settings_reached(recorded: Path, finished: RunDir, small: Config) -> None:
    found = precedent_for(small)
    assert found is not None
    twice = Speed(forward=1.0, gradient=2 * found.seconds_per_entry, features=0.0, compile=1.0)
    text = table(plan(small, finished, twice))
    records = {r["step"]: r for r in MetricsLog(finished.metrics_file).read()}
    best = 0.0
    # Validated at steps 0, 4, 8 and 12: at the quarters it is step 4 twice over, so that it is told once.
    for step in (4, 8, 12):
        best = max(best, records[step]["validation_accuracy"], records[0]["validation_accuracy"])
        seconds = records[step]["elapsed"]
        assert f"validation, {1100 * step:,} entries" in text
        assert f"{percent(best)} after {duration(seconds)}; here about {duration(2 * seconds)}\n" in text
    test = Results.load(finished.results_file).learned.accuracy
    assert f"test, 13,200 entries        {percent(test)} after " in text
    assert "committed record of these settings (digits" in text
    assert "2 cpu devices)" in text
    assert "; here" not in table(plan(small, finished))
    document = json.loads(plan(small, finished, twice).to_json())
    assert [m["split"] for m in document["reached"]] == ["validation"] * 3 + ["test"]


def test_other_settings_are_promised_nothing(recorded: Path, finished: RunDir, small: Config) -> None:
    other = replace(small, krr=replace(small.krr, ridge=1e-3))
    assert "committed record" not in table(plan(other, finished))
    assert precedent_for(replace(small, seed=5)) is not None
    assert precedent_for(replace(small, checkpoint=replace(small.checkpoint, every=7))) is not None


def test_a_run_begins_with_it(
    recorded: Path, finished: RunDir, small: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def prepare(*_: object) -> None:
        raise StopIteration

    with pytest.MonkeyPatch.context() as patch, RunDir(tmp_path / "run").open(small) as rundir:
        patch.setattr(stages, "prepare", prepare)
        with pytest.raises(StopIteration):
            stages.run(small, rundir)
    told = " ".join(capsys.readouterr().err.split())
    found = precedent_for(small)
    assert found is not None
    assert found.line() in told
    assert f"test {percent(found.test_accuracy)} after 13,200 entries" in told


def test_a_record_holds_the_whole_course_and_where_it_ran(finished: RunDir, recorded: Path) -> None:
    (file,) = recorded.glob("*.json")
    document = json.loads(file.read_text())
    assert (file.name, document["preset"]) == (f"{finished.path.name}.json", "")
    assert [point["step"] for point in document["curve"]] == [0, 4, 8, 12]
    seconds, processor = ([point[name] for point in document["curve"]] for name in ("seconds", "processor_seconds"))
    assert seconds == sorted(seconds)
    assert processor == sorted(processor)
    assert processor[-1] > 0
    assert {"jax", "numpy", "optax"} <= document["environment"]["packages"].keys()
    assert len(document["data_fingerprint"]) == 64
    assert "dir" not in document["config"]["data"]
    assert precedent_of(finished).to_json() == file.read_text()


def test_a_run_that_is_not_done_is_no_record(
    finished: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").write_bytes(finished.config_file.read_bytes())
    with pytest.raises(UserError, match="nothing is measured there yet"):
        precedent_of(RunDir(tmp_path))
    monkeypatch.setattr("sys.argv", ["record", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        record.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert "nothing is measured there yet" in line


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_every_committed_record_is_of_its_preset_as_it_is_now(file: Path) -> None:
    preset = precedents.PRESETS[file.stem]
    assert precedent_for(preset) is not None
