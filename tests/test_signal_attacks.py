"""A short version of `python -m scripts.attack_signals`: signals, faults of processes, damages."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kerneldistill.runs.directory import RunDir
from scripts.signal_attacks.damage import damaged


@pytest.mark.slow
# orbax's reader of a damaged checkpoint leaves callbacks to an event loop that is closed by then.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_random_damages_to_a_run_are_all_named(finished: RunDir, tmp_path: Path) -> None:
    seed = time.time_ns() % 10**6
    rng = random.Random(seed)
    trials = [damaged(finished.path, tmp_path / "copy", rng) for _ in range(40)]
    assert [str(trial) for trial in trials if trial.wrong] == [], f"seed {seed}"
    assert len({trial.what for trial in trials}) > 5


@pytest.mark.slow
def test_signals_and_faults_are_answered_and_change_nothing(tmp_path: Path) -> None:
    words = ["--signals", "5", "--faults", "4", "--damages", "0"]
    answer = subprocess.run(
        [sys.executable, "-m", "scripts.attack_signals", str(tmp_path / "attack"), *words],
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stdout
    report = json.loads((tmp_path / "attack" / "trials.json").read_text())
    assert len(report["trials"]) >= 9
