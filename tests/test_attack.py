"""A short attack from outside, of every class, with a seed of its own each time."""

import json
import secrets
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_short_attack_finds_nothing(tmp_path: Path) -> None:
    seed = str(secrets.randbelow(2**32))
    command = [sys.executable, "-m", "scripts.attack", "--trials", "25", "--seed", seed, "--json", tmp_path / "found"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, f"seed {seed}: {ended.stderr}"
    trials = json.loads((tmp_path / "found").read_text())["trials"]
    assert len(trials) == 25
    assert len({trial["class"] for trial in trials}) == 16
    assert not any(trial["faults"] for trial in trials)
