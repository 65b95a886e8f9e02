"""The loop: what it skips, resumes and reports, whatever becomes of the runs' processes."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kerneldistill.cli import main as cli
from kerneldistill.config.schema import Config, SupportConfig
from kerneldistill.errors import UserError
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.lock import locked
from kerneldistill.runs.results import Results
from kerneldistill.runs.sweep.cases import Case
from kerneldistill.runs.sweep.directories import Place, places_of
from kerneldistill.runs.sweep.index import INDEX, KIP_COLUMNS
from kerneldistill.runs.sweep.loop import sweep
from kerneldistill.runs.sweep.subprocesses import LOG

Rows = list[dict[str, str]]


@pytest.fixture
def cases(small: Config) -> list[Case]:
    """Three, of 10, 20 and 30 images."""
    sizes = (10, 20, 30)
    return [Case(f"n={size}", "run", "digits", replace(small, support=SupportConfig(size=size))) for size in sizes]


@pytest.fixture
def becomes(monkeypatch: pytest.MonkeyPatch, finished: RunDir) -> Callable[..., None]:
    """Replaces the runs' processes: that of n=SIZE runs a line of Python, the others leave what a run leaves."""
    left = f"import shutil, sys; shutil.copytree({str(finished.path)!r}, sys.argv[1], dirs_exist_ok=True)"

    def replaced(**lines: str) -> None:
        def command(place: Place, prepared: str | None) -> list[str]:
            line = lines.get(place.case.name.replace("=", ""), left)
            return [sys.executable, "-c", line, str(place.rundir.path)]

        monkeypatch.setattr("kerneldistill.runs.sweep.subprocesses.command_of", command)

    return replaced


def rows_of(folder: Path) -> Rows:
    with (folder / INDEX).open(newline="") as file:
        return list(csv.DictReader(file))


def test_all_runs_are_run_and_then_skipped(
    cases: list[Case], becomes: Callable[..., None], tmp_path: Path, finished: RunDir
) -> None:
    becomes()
    sweep(cases, tmp_path)
    rows = rows_of(tmp_path)
    assert tuple(rows[0])[: len(KIP_COLUMNS)] == KIP_COLUMNS
    results = Results.load(finished.results_file)
    for row, case in zip(rows, cases, strict=True):
        assert (row["run"], row["status"], row["reason"], row["command"]) == (case.name, "done", "", "run")
        assert (row["architecture"], row["dataset"], row["ssize"]) == ("fc1", "digits", case.name[2:])
        assert (row["zca"], row["l"], row["aug"], row["ckpt"]) == ("False", "False", "False", str(results.step))
        assert float(row["test_acc"]) == results.learned.accuracy
        assert float(row["test_mse"]) == results.learned.mse
        assert (tmp_path / row["URL"]).is_file()
        assert float(row["start_acc"]) == results.start.accuracy
    # The configuration copied is that of 10 images: others no longer hold theirs, and are not taken for done.
    becomes(n10="raise SystemExit('not again')")
    sweep(cases[:1], tmp_path)
    assert [row["run"] for row in rows_of(tmp_path)] == ["n=10"]


def test_what_fails_is_reported_and_does_not_stop_the_rest(
    cases: list[Case], becomes: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    becomes(
        n10="import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        n20="import sys; sys.exit('noise\\nkdistill: error: support.size is bad: mend it\\nand a warning')",
    )
    with pytest.raises(UserError, match=r"2 of 3 runs failed, each for the reason told above and in .*index\.csv"):
        sweep(cases, tmp_path)
    reasons = ["killed by SIGKILL, as a system does that is out of memory", "support.size is bad: mend it", ""]
    rows = rows_of(tmp_path)
    assert [row["reason"] for row in rows] == reasons
    assert [row["status"] for row in rows] == ["failed", "failed", "done"]
    told = [line for line in capsys.readouterr().err.splitlines() if ": failed: " in line]
    assert [line.split(": failed: ")[1] for line in told] == reasons[:2]
    assert "noise" in (tmp_path / "n=20" / LOG).read_text()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(75)", "interrupted; the sweep, run again, resumes it"),
        ("raise SystemExit(4)", "exit status 4"),
        ("pass", "it ended well, but has left no results; see "),
    ],
)
def test_every_end_has_a_reason(
    line: str, reason: str, cases: list[Case], becomes: Callable[..., None], tmp_path: Path
) -> None:
    becomes(n10=line)
    with pytest.raises(UserError, match="1 of 1 runs failed"):
        sweep(cases[:1], tmp_path)
    assert rows_of(tmp_path)[0]["reason"].startswith(reason)


def test_a_reason_is_of_the_last_try(cases: list[Case], becomes: Callable[..., None], tmp_path: Path) -> None:
    for line, reason in (("raise SystemExit('first')", "first"), ("raise SystemExit(3)", "exit status 3")):
        becomes(n10=line)
        with pytest.raises(UserError):
            sweep(cases[:1], tmp_path)
        assert rows_of(tmp_path)[0]["reason"] == reason
    becomes()
    sweep(cases[:1], tmp_path)
    assert rows_of(tmp_path)[0]["status"] == "done"


def test_a_run_is_found_by_its_configuration_whatever_its_name(
    cases: list[Case], finished: RunDir, tmp_path: Path, small: Config
) -> None:
    shutil.copytree(finished.path, tmp_path / "by hand")
    case = Case("n=10", "run", "digits", small)
    (place,) = places_of([case], tmp_path)
    assert (place.rundir.path.name, place.status) == ("by hand", "done")
    # Not for the other method, and not for another configuration.
    (solved, other) = places_of([replace(case, command="label-solve"), cases[1]], tmp_path)
    assert (solved.rundir.path.name, solved.status) == ("n=10", "waiting")
    assert (other.rundir.path.name, other.status) == ("n=20", "waiting")


def test_a_name_that_is_taken_by_another_run_is_not_used(cases: list[Case], tmp_path: Path) -> None:
    with RunDir(tmp_path / "n=10").open(cases[1].config):
        pass
    first, second = places_of(cases[:2], tmp_path)
    assert first.rundir.path.name.startswith("n=10,")
    assert (second.rundir.path.name, second.status) == ("n=10", "started")


def test_a_run_that_somebody_else_has_fails_alone(
    cases: list[Case], becomes: Callable[..., None], tmp_path: Path
) -> None:
    becomes()
    (tmp_path / "n=10").mkdir()
    with RunDir(tmp_path / "n=10").open(cases[0].config), pytest.raises(UserError, match="1 of 2 runs failed"):
        sweep(cases[:2], tmp_path)
    first, second = rows_of(tmp_path)
    assert "is in use by process" in first["reason"]
    assert second["status"] == "done"


def test_two_sweeps_in_one_folder(cases: list[Case], tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(UserError, match="is in use by process"):
        sweep(cases, tmp_path)


def test_a_signal_is_handed_on_to_the_run_which_may_save(
    cases: list[Case], becomes: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    becomes(
        n10="import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (open(sys.argv[1] + '/saved', 'w').close(), sys.exit(75)))\n"
        "os.kill(os.getppid(), signal.SIGTERM)\n"
        "time.sleep(60)"
    )
    monkeypatch.setattr("kerneldistill.runs.sweep.cases.cases_of", lambda file, prepared: cases)
    began = time.monotonic()
    assert cli.main(["sweep", "any.toml", "--dir", str(tmp_path)]) == cli.INTERRUPTED
    assert time.monotonic() - began < 30
    assert (tmp_path / "n=10" / "saved").exists()
    assert [row["status"] for row in rows_of(tmp_path)] == ["started", "waiting", "waiting"]


FILE = """
preset = "digits"
[set]
kernel.network = "fc"
kernel.depth = 1
optim.target_batch = 100
evaluate.baseline_draws = 1
[[grid]]
optim.steps = [3, 400]
[[case]]
data.validation_fraction = 0.2
support.size = 9
[[case]]
command = "label-solve"
optim.steps = 0
"""


@pytest.mark.slow
def test_a_sweep_that_is_stopped_goes_on_and_the_same_again_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(FILE)
    command = [sys.executable, "-m", "kerneldistill", "sweep", "mine.toml"]
    environment = {**os.environ, "XLA_FLAGS": ""}
    folder = tmp_path / "sweeps" / "mine"
    metrics = folder / "digits,steps=400" / "metrics.jsonl"
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while not metrics.exists() or metrics.read_bytes().count(b"\n") < 3:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert process.returncode == cli.INTERRUPTED
    assert "run the same command again to resume" in told
    assert [row["status"] for row in rows_of(folder)] == ["done", "started", "waiting", "waiting"]
    for _ in range(2):
        answer = subprocess.run(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        assert answer.returncode == cli.MISTAKE
        rows = rows_of(folder)
        assert [row["status"] for row in rows] == ["done", "done", "failed", "done"]
        assert rows[2]["reason"].startswith("support.size is 9, but the data set has 10 classes")
        assert rows[3]["command"] == "label-solve"
    assert answer.stderr.count("done before") == 3
