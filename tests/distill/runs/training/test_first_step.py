"""How soon a process computes, the first time and with compiled programs that were kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]


def started(cache: Path) -> tuple[float, float, float]:
    """Seconds of processor time to the backend, from there to a block, and from there to its pullback."""
    environment = {**os.environ, "XLA_FLAGS": "", "KERNELDISTILL_CACHE": str(cache)}
    command = [sys.executable, "-m", "tests.helpers.first_step"]
    answer = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    backend, block, pullback = map(float, answer.stdout.split())
    return backend, block - backend, pullback - block


@pytest.mark.slow
def test_compiling_takes_seconds_and_is_done_once(tmp_path: Path) -> None:
    _, block, pullback = started(tmp_path / "cache")
    assert block + pullback < 30
    _, block_again, pullback_again = started(tmp_path / "cache")
    assert block_again < 3
    assert block_again + pullback_again < (block + pullback) / 2
