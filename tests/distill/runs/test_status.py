"""`kdistill status` says where runs stand, of each kind of end, without touching them."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kerneldistill.cli import main as cli
from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.status import as_text, status_of
from kerneldistill.runs.training.metrics import MetricsLog

HOLDER = """
import sys
from pathlib import Path
from kerneldistill.runs.directory import RunDir
with RunDir(Path(sys.argv[1])).reopen():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def begun(tmp_path: Path, small: Config) -> RunDir:
    """A run that was stopped after step 5 of 12."""
    rundir = RunDir(tmp_path / "run")
    with rundir.open(small):
        log = MetricsLog(rundir.metrics_file)
        for step in range(6):
            record = {"step": step, "loss": 0.1, "rollbacks": int(step > 3), "elapsed": 10.0 + 2 * step}
            validated = {"validation_accuracy": 0.5 + step / 100, "validation_mse": 0.1} if step in (0, 4) else {}
            log.append({**record, **validated})
        (rundir.checkpoints / "4").mkdir(parents=True)
    return rundir


def test_an_interrupted_run(begun: RunDir) -> None:
    found = status_of(begun.path)
    assert (found.state, found.process, found.error) == ("interrupted", None, None)
    assert (found.step, found.steps, found.checkpoint, found.rollbacks) == (5, 12, 4, 1)
    assert (found.seconds_per_step, found.seconds_left, found.elapsed) == (2.0, 14.0, 20.0)
    assert (found.best_step, found.best_accuracy) == (4, 0.54)
    assert found.to_do == ("distill", "evaluate", "export")
    lines = as_text(found).splitlines()
    assert lines[0] == f"{begun.path}: interrupted"
    assert lines[1] == "  steps       5 of 12, 2.0s a step, 14.0s left, 20.0s so far, 1 rolled back"
    assert lines[2] == "  validation  best 54.0%, after step 4"
    assert lines[3].startswith("  checkpoint  step 4, saved ")
    assert len(lines) == 4


def test_the_time_of_a_step_leaves_out_what_a_session_does_once(begun: RunDir, small: Config) -> None:
    with begun.open(small):
        MetricsLog(begun.metrics_file).append({"step": 6, "loss": 0.1, "elapsed": 322.0, "once_seconds": 300.0})
    found = status_of(begun.path)
    assert (found.seconds_per_step, found.seconds_left) == (2.0, 12.0)


def test_a_running_one_is_not_disturbed(begun: RunDir) -> None:
    command = [sys.executable, "-c", HOLDER, str(begun.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        before = {file: file.stat().st_mtime_ns for file in begun.path.rglob("*")}
        found = status_of(begun.path)
        assert (found.state, found.process) == ("running", process.pid)
        assert f"running (process {process.pid} on " in as_text(found)
        assert {file: file.stat().st_mtime_ns for file in begun.path.rglob("*")} == before
        process.kill()
    assert status_of(begun.path).state == "interrupted"


def test_one_on_another_machine_is_told_as_such(begun: RunDir) -> None:
    (begun.path / ".lock").write_text("4711 elsewhere\n")
    found = status_of(begun.path)
    assert (found.state, found.process, found.host) == ("running", 4711, "elsewhere?")


def test_a_failed_run_tells_its_error_until_it_goes_on(begun: RunDir, small: Config) -> None:
    def fail() -> None:
        with begun.open(small):
            raise UserError("the disk\nis full")

    with pytest.raises(UserError):
        fail()
    found = status_of(begun.path)
    assert (found.state, found.error) == ("failed", "the disk is full")
    assert as_text(found).endswith("\n  last error  the disk is full")
    with begun.open(small):
        assert status_of(begun.path).state == "running"
    assert status_of(begun.path).state == "interrupted"


def test_a_finished_run_is_done_until_something_of_it_is_lost(finished: RunDir, tmp_path: Path) -> None:
    own = RunDir(Path(shutil.copytree(finished.path, tmp_path / "own")))
    found = status_of(own.path)
    assert (found.state, found.step, found.seconds_left, found.to_do) == ("done", 12, None, ())
    (own.bundle / "support.npz").unlink()
    found = status_of(own.path)
    assert (found.state, found.to_do) == ("done", ("export",))
    assert as_text(found).endswith("\n  to do       export")
    own.results_file.write_text("{}")
    assert status_of(own.path).to_do == ("evaluate", "export")


def test_the_command_takes_many_and_prints_json(begun: RunDir, tmp_path: Path, small: Config) -> None:
    other = RunDir(tmp_path / "other")
    with other.open(replace(small, seed=3)):
        pass
    code = "import sys; from kerneldistill.cli.main import main; main(sys.argv[1:]); sys.exit('jax' in sys.modules)"
    command = [sys.executable, "-c", code, "status", str(begun.path), str(other.path), "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = json.loads(answer.stdout)
    assert (first["path"], first["step"], second["step"]) == (str(begun.path), 5, None)
    assert second["state"] == "interrupted"


@pytest.mark.parametrize("args", [[], ["nowhere"]])
def test_what_is_no_run_is_refused(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", *args]) == cli.MISTAKE
    assert capsys.readouterr().err.startswith("kdistill: error: ")
