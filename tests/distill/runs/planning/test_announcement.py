"""What a run will take is told before it begins, and a long one is asked about."""

from dataclasses import replace
from pathlib import Path

import pytest

from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning import announcement, known_speeds
from kerneldistill.runs.planning.announcement import announce
from kerneldistill.runs.planning.calibration import Speed
from kerneldistill.runs.planning.levels import workloads_of
from kerneldistill.runs.planning.workload import Workload

Answers = list[str]


def never(question: str) -> bool:
    raise AssertionError(question)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that takes a second for an entry, and counts its operations as slow."""
    monkeypatch.setattr(announcement, "_RATES", {"cpu": 1.0})
    monkeypatch.setattr(announcement, "speed_of", lambda work: Speed(forward=1e-3, gradient=1.0, features=0, compile=9))


@pytest.fixture
def long(small: Config) -> Config:
    return replace(small, optim=replace(small.optim, steps=100, target_batch=400))


def test_what_takes_less_than_a_minute_is_not_measured(
    small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(announcement, "speed_of", never)
    announce(small, RunDir(tmp_path), "run", 1, never)
    assert capsys.readouterr().err == "about a minute on this machine, or less\n"


def test_a_long_run_is_told_with_what_takes_less_and_asked_about(
    slow: None, long: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: Answers = []
    with pytest.raises(UserError, match="nothing was begun"):
        announce(long, RunDir(tmp_path), "run", 1, lambda question: bool(asked.append(question)))
    assert asked == ["begin?"]
    # 100 steps of (400 + 10) x 10 entries.
    line = capsys.readouterr().err
    assert line.startswith("about 5 days on this machine: 1h08m a step; --optim.target-batch 200 is ")
    assert " less" in line
    announce(long, RunDir(tmp_path), "run", 1, lambda question: True)


def test_several_processes_share_the_work(
    slow: None, long: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    announce(long, RunDir(tmp_path), "run", 10, lambda question: True)
    assert capsys.readouterr().err.startswith("about 11 hours on this machine: 6m50s a step")


def test_what_is_left_is_told_of_a_run_that_has_begun_without_a_question(
    slow: None, long: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rundir = RunDir(tmp_path)
    (rundir.checkpoints / "75").mkdir(parents=True)
    rundir.metrics_file.touch()
    announce(long, rundir, "run", 1, never)
    assert capsys.readouterr().err == "about 28 hours on this machine: 1h08m a step\n"


def test_label_solve_is_one_pass(slow: None, small: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    announce(small, RunDir(tmp_path), "label-solve", 1, never)
    # Solved labels and those of the start share a kernel in the evaluation.
    assert capsys.readouterr().err == "about 26 s on this machine\n"


def test_a_preset_of_the_same_data_is_named(small: Config, tmp_path: Path) -> None:
    (work,) = workloads_of(small, RunDir(tmp_path), 2)
    other = Workload(replace(small, data=replace(small.data, name="cifar10")), work.size, work.engine)
    found = announcement.cheaper(other, Speed(1, 1, 0, 0), "run", 1, announcement.Cost(1e6, 1))
    assert found == ["preset cifar10-quick takes minutes"]


def test_a_speed_is_measured_once_a_day_on_a_machine_until_the_record_is_damaged(
    small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERNELDISTILL_CACHE", str(tmp_path / "cache"))
    measured: list[Workload] = []

    def calibrate(work: Workload) -> Speed:
        measured.append(work)
        return Speed(1e-3 * len(measured), 2e-3, 0, 3)

    monkeypatch.setattr(known_speeds, "calibrate", calibrate)
    (work,) = workloads_of(small, RunDir(tmp_path), 2)
    (larger,) = workloads_of(replace(small, support=replace(small.support, size=20)), RunDir(tmp_path), 2)

    def first() -> Speed:
        return known_speeds.speed_of(work)

    assert first() == first() == Speed(1e-3, 2e-3, 0, 3)
    assert known_speeds.speed_of(larger).forward == 2e-3
    assert known_speeds.speed_of(work, anew=True).forward == 3e-3
    (tmp_path / "cache" / "speeds.json").write_text("{")
    assert first().forward == 4e-3
    monkeypatch.setattr(known_speeds, "_HOLDS", 0)
    assert first().forward == 5e-3
    monkeypatch.setenv("KERNELDISTILL_CACHE", "")
    assert first().forward == 6e-3
