"""A run directory belongs to one run and to one process at a time."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kerneldistill.config.presets import PRESETS
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.lock import held
from kerneldistill.runs.directory import RunDir
from kerneldistill.runtime import environment

DIGITS = PRESETS["digits"]


def test_a_new_directory_gets_its_configuration(tmp_path: Path) -> None:
    with RunDir(tmp_path / "deep" / "run").open(DIGITS) as rundir:
        assert rundir.config() == DIGITS
    with rundir.open(DIGITS), pytest.raises(UserError, match="is in use"), rundir.open(DIGITS):
        pass


def test_a_directory_without_a_finished_step_takes_another_configuration(tmp_path: Path) -> None:
    other = replace(DIGITS, seed=4)
    rundir = RunDir(tmp_path)
    with rundir.open(DIGITS):
        rundir.tie_to_data("a" * 64)
    rundir.start_file.touch()
    with rundir.open(other):
        assert rundir.config() == other
        assert not rundir.start_file.exists()
        rundir.tie_to_data("b" * 64)
    rundir.metrics_file.write_text("a record\n")
    with pytest.raises(UserError, match="holds a run of another configuration"), rundir.open(DIGITS):
        pass


def test_another_configuration_is_refused_with_both_values(tmp_path: Path) -> None:
    with RunDir(tmp_path).open(DIGITS):
        RunDir(tmp_path).metrics_file.touch()
    other = replace(DIGITS, seed=4, optim=replace(DIGITS.optim, learning_rate=0.5))
    with pytest.raises(UserError) as caught, RunDir(tmp_path).open(other):
        pass
    message = str(caught.value)
    assert "optim.learning_rate is 0.04 there and 0.5 here, seed is 0 there and 4 here" in message
    assert "Change that back, or give another --dir" in message
    assert RunDir(tmp_path).config() == DIGITS


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match=r"holds 'thesis\.tex' and no config\.toml"), RunDir(tmp_path).open(DIGITS):
        pass
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_what_a_killed_start_leaves_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("999999\n")
    (tmp_path / ".config.toml.0123").write_text("half")
    with RunDir(tmp_path).open(DIGITS) as rundir:
        assert rundir.config() == DIGITS


def test_a_path_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="cannot be used"), RunDir(path).open(DIGITS):
            pass


def test_reopening_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no config\.toml"), RunDir(tmp_path).reopen():
        pass
    with RunDir(tmp_path).open(DIGITS):
        pass
    with RunDir(tmp_path).reopen() as rundir:
        assert rundir.config() == DIGITS


@pytest.mark.parametrize("damage", [b"\xff", b"[data", b"seed = 'x'"])
def test_a_damaged_configuration_is_named(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "config.toml").write_bytes(damage)
    with pytest.raises(UserError, match=r"config\.toml"), RunDir(tmp_path).open(DIGITS):
        pass


HOLDER = """
import sys, time
from pathlib import Path
from kerneldistill.config.presets import PRESETS
from kerneldistill.runs.directory import RunDir
with RunDir(Path(sys.argv[1])).open(PRESETS["digits"]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_that_has_no_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match=r"No space left on device: .*\.lock"), held(tmp_path / ".lock", ""):
        pass


def test_the_lock_names_its_process_and_dies_with_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"in use by process {holder.pid}"), RunDir(tmp_path).open(DIGITS):
            pass
        holder.kill()
        holder.wait()
    with RunDir(tmp_path).open(DIGITS):
        pass


def test_the_environment_is_recorded_once_and_its_change_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rundir = RunDir(tmp_path)
    rundir.record_environment()
    rundir.record_environment()
    (session,) = json.loads(rundir.environment_file.read_text())
    assert session["packages"]["jax"]
    assert session["backend"] == "cpu"
    assert session["device_count"] == 2
    assert not caplog.records
    changed = replace(environment.current(), python="3.99")
    monkeypatch.setattr(environment, "current", lambda: changed)
    rundir.record_environment()
    assert len(json.loads(rundir.environment_file.read_text())) == 2
    assert "another environment" in caplog.text


def test_a_run_is_tied_to_the_data_it_began_with(tmp_path: Path) -> None:
    rundir = RunDir(tmp_path)
    rundir.tie_to_data("a" * 64)
    rundir.tie_to_data("a" * 64)
    with pytest.raises(UserError, match="began with aaaaaaaaaaaaaaaa: the source data were replaced"):
        rundir.tie_to_data("b" * 64)
