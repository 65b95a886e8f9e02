"""A run that is killed, at whatever moment, and started again ends with the files of one that never was."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kerneldistill.config.schema import Config
from kerneldistill.runs.directory import RunDir
from scripts.kill_runs import facts


def begun(folder: Path, config: Config, prepared: Path) -> RunDir:
    """A run directory with prepared data and nothing distilled."""
    rundir = RunDir(folder)
    with rundir.open(config):
        shutil.copytree(prepared, rundir.prepared)
    return rundir


def environment(cache: Path) -> dict[str, str]:
    """Compiled programs, small ones too, are kept between the runs of one test."""
    return {**os.environ, "KERNELDISTILL_CACHE": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}


def test_killed_and_terminated_runs_end_as_an_undisturbed_one(tmp_path: Path, small: Config, finished: RunDir) -> None:
    config = replace(small, support=replace(small.support, learn_labels=True))
    whole, broken = (begun(tmp_path / name, config, finished.prepared) for name in ("whole", "broken"))
    stops = ["SIGKILL:1", "SIGKILL:5", "SIGTERM:8"]
    answer = subprocess.run(
        [sys.executable, "-m", "tests.helpers.interrupted", str(whole.path), str(broken.path), *stops],
        env=environment(tmp_path / "cache"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.split() == ["0", "-9", "-9", "75", "0"], answer.stderr
    assert "kdistill: interrupted; run the same command again to resume\n" in answer.stderr
    assert "Traceback" not in answer.stderr
    left, right = facts(broken), facts(whole)
    assert [record["step"] for record in left["metrics"]] == list(range(config.optim.steps + 1))
    for name, value in right.items():
        assert left[name] == value, name


@pytest.mark.slow
def test_runs_killed_at_random_moments_end_as_an_undisturbed_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.kill_runs", str(tmp_path), "--kills", "4"]
    # Optimised code, as users have it; the suite's has none.
    settings = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    answer = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    lines = answer.stdout.splitlines()
    assert lines[-1].startswith("4 x SIGKILL in ")
    assert "all as it should be" in lines[-1]
    assert lines[-2].endswith(": bit-identical")
