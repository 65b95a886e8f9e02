"""What follows a run elsewhere: told of every record, once, and never the end of a run."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import pytest

from kerneldistill.cli.main import main
from kerneldistill.config.presets import PRESETS
from kerneldistill.errors import UserError
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.training import followers
from kerneldistill.runs.training.followers import Followers, check_followers, followers_of
from kerneldistill.runs.training.metrics import MetricsLog, Record

MODULE = "kerneldistill.runs.training.weights_and_biases"


class Kept:
    """Keeps what it is told; fails at a step."""

    def __init__(self, fails_at: int = -1) -> None:
        self.told: list[float] = []
        self.fails_at = fails_at
        self.failed: bool | None = None

    def begin(self, records: Sequence[Record]) -> None:
        self.told += [record["step"] for record in records]

    def add(self, record: Record) -> None:
        if record["step"] == self.fails_at:
            raise ConnectionError("the line is dead")
        self.told.append(record["step"])

    def end(self, failed: bool) -> None:
        self.failed = failed


class FakeRun:
    """Takes what a run of Weights & Biases takes: steps that only go up."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.logged: dict[int, dict[str, float]] = {}
        self.code: int | None = None

    def log(self, values: dict[str, float], step: int) -> None:
        assert step >= self.step
        self.logged[step], self.step = values, step + 1

    def finish(self, exit_code: int) -> None:
        self.code = exit_code


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The module wandb; `begun` has what each run was begun with, `step` is where the next goes on."""
    module = SimpleNamespace(begun=[], runs=[], step=0)

    def init(**given: Any) -> FakeRun:
        module.begun.append(given)
        module.runs.append(FakeRun(module.step))
        return module.runs[-1]

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.setattr(followers, "find_spec", lambda name: name == "wandb" or None)
    return module


@pytest.fixture
def rundir(tmp_path: Path) -> RunDir:
    with RunDir(tmp_path / "mine").open(PRESETS["digits"]) as opened:
        return opened


def test_one_that_fails_ends_neither_the_run_nor_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append({"step": 0, "loss": 1.0})
    broken, whole = Kept(fails_at=2), Kept()

    def run() -> None:
        with Followers([broken, whole], log) as told:
            for step in (1, 2, 3):
                told.add({"step": step, "loss": 0.5})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert (broken.told, whole.told) == ([0, 1], [0, 1, 2, 3])
    assert (broken.failed, whole.failed) == (None, True)
    assert "the line is dead" in caplog.text


def test_a_run_goes_on_there_as_one(rundir: RunDir, fake: SimpleNamespace) -> None:
    log = MetricsLog(rundir.metrics_file)
    for step in range(3):
        log.append({"step": step, "loss": 0.5**step})
    with Followers(followers_of(rundir, ["wandb"]), log) as told:
        told.add({"step": 3, "loss": 0.125})
    fake.step = 4  # that many are there when the run goes on
    log.append({"step": 3, "loss": 0.125})
    with Followers(followers_of(rundir, ["wandb"]), log) as told:
        told.add({"step": 4, "loss": 0.0625})
    first, second = fake.runs
    assert first.logged == {step: {"loss": 0.5**step} for step in range(4)}
    assert second.logged == {4: {"loss": 0.0625}}
    assert (first.code, second.code) == (0, 0)
    assert fake.begun[0]["id"] == fake.begun[1]["id"]
    assert (fake.begun[0]["name"], fake.begun[0]["project"]) == ("mine", "kerneldistill")
    assert fake.begun[0]["config"]["optim"]["steps"] == 80


def test_what_cannot_begin_is_one_line(rundir: RunDir, fake: SimpleNamespace) -> None:
    def refuse(**_: Any) -> FakeRun:
        raise RuntimeError("api_key not configured\n(no-tty)")

    fake.init = refuse
    with pytest.raises(UserError, match=r"wandb, which cannot begin \(api_key not configured \(no-tty\)\): log in"):
        Followers(followers_of(rundir, ["wandb"]), MetricsLog(rundir.metrics_file)).__enter__()


def test_only_who_is_asked_for_and_installed_follows(rundir: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "find_spec", lambda name: None)
    assert followers_of(rundir, ()) == []
    for name in ("wandb", "tensorboard"):
        with pytest.raises(UserError, match=rf"--track has {name}, which is not installed: pip install .*{name}"):
            check_followers([name])
    check_followers([])


def test_a_run_is_followed_as_the_command_says(
    tmp_path: Path, fake: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kerneldistill.runtime.devices.setup", lambda: None)
    flags = ["--kernel.network", "fc", "--kernel.depth", "1", "--optim.steps", "2", "--evaluate.baseline-draws", "0"]
    with jax.numpy_dtype_promotion("standard"):
        assert main(["run", "digits", *flags, "--dir", str(tmp_path / "followed"), "--track", "wandb"]) == 0
    (run,) = fake.runs
    assert sorted(run.logged) == [0, 1, 2]
    assert run.code == 0
