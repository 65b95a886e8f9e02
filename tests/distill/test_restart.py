"""A run that is killed, at whatever moment, and started again ends with the files of one that never was."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from distill.config import CheckpointConfig, Config, EvaluateConfig, KernelConfig, OptimConfig
from distill.metrics import MetricsLog
from distill.rundir import RunDir

# These alone may differ from run to run.
TIMING = {"seconds", "entries_per_second"}


def begun(folder: Path, config: Config, prepared: Path) -> RunDir:
    """A run directory with prepared data and nothing distilled."""
    rundir = RunDir(folder)
    with rundir.open(config):
        shutil.copytree(prepared, rundir.prepared)
    return rundir


def environment(cache: Path) -> dict[str, str]:
    """Compiled programs, small ones too, are kept between the runs of one test."""
    return {**os.environ, "KERNELDISTILL_CACHE": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}


def assert_same(broken: RunDir, whole: RunDir) -> None:
    records = [
        [{name: value for name, value in record.items() if name not in TIMING} for record in log.read()]
        for log in (MetricsLog(broken.metrics_file), MetricsLog(whole.metrics_file))
    ]
    assert records[0] == records[1]
    assert [record["step"] for record in records[0]] == list(range(whole.config().optim.steps + 1))
    assert broken.outcome_file.read_bytes() == whole.outcome_file.read_bytes()


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
    assert_same(broken, whole)


@pytest.mark.slow
def test_ten_kills_at_random_moments(tmp_path: Path, small: Config, finished: RunDir) -> None:
    config = replace(
        small,
        kernel=KernelConfig(network="conv_net", depth=2),
        optim=OptimConfig(steps=20, target_batch=100),
        evaluate=EvaluateConfig(every=5),
        checkpoint=CheckpointConfig(every=2),
    )
    whole, again, broken = (begun(tmp_path / name, config, finished.prepared) for name in ("whole", "again", "broken"))
    assert distil(whole, tmp_path / "cache").wait() == 0
    # Timed once more: what is killed finds its programs compiled, and ends sooner than the first.
    began = time.monotonic()
    assert distil(again, tmp_path / "cache").wait() == 0
    duration = time.monotonic() - began
    assert_same(again, whole)
    rng, kills = random.Random(0), 0
    while kills < 10:
        process = distil(broken, tmp_path / "cache")
        time.sleep(rng.uniform(0.2, 0.9) * duration)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        if broken.outcome_file.exists():  # it came through in between: from the start again
            shutil.rmtree(broken.checkpoints)
            broken.outcome_file.unlink()
    assert distil(broken, tmp_path / "cache").wait() == 0
    assert_same(broken, whole)


def distil(rundir: RunDir, cache: Path) -> subprocess.Popen[bytes]:
    """`kdistill distill` in a process of its own."""
    command = [sys.executable, "-m", "distill", "distill", "digits", "--config", rundir.config_file]
    return subprocess.Popen(
        [*command, "--dir", rundir.path], env=environment(cache), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
