"""`kdistill evaluate --protocol` by two processes: what one finds, each network trained by one of them."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.results import Results
from kerneldistill.runs.verify import find_problems
from tests.distill.runs.training.test_restart import environment
from tests.distill.runtime.distributed.test_processes_run import ended
from tests.helpers.free_port import free_port

pytestmark = pytest.mark.slow

WORDS = [
    "--protocol",
    "krr",
    "linear",
    "dc-quick",
    "--networks",
    "mlp-w8-d1",
    "same",
    "--seeds",
    "3",
    "--shift",
    "noise",
]


def judged(rundir: RunDir, cache: Path, count: int) -> list[tuple[int, str]]:
    """Status and standard error of each process."""
    words = [sys.executable, "-m", "kerneldistill", "evaluate", str(rundir.path), *WORDS]
    place = [
        "--processes.coordinator",
        f"127.0.0.1:{free_port()}",
        "--processes.count",
        str(count),
        "--processes.index",
    ]
    env = {**environment(cache), "JAX_PLATFORMS": "cpu"}
    every = [[*words, *([*place, str(index)] if count > 1 else [])] for index in range(count)]
    return ended([subprocess.Popen(each, env=env, stderr=subprocess.PIPE, text=True) for each in every])


def test_two_processes_find_what_one_finds(tmp_path: Path, finished: RunDir) -> None:
    alone, together = (RunDir(Path(shutil.copytree(finished.path, tmp_path / name))) for name in ("alone", "together"))
    cache = tmp_path / "cache"
    assert [status for status, _ in judged(alone, cache, 1)] == [0]
    ends = judged(together, cache, 2)
    assert [status for status, _ in ends] == [0, 0], ends
    one, two = (Results.load(each.results_file).protocols for each in (alone, together))
    assert [(each.protocol, each.network) for each in two] == [(each.protocol, each.network) for each in one]
    for ours, theirs in zip(one, two, strict=True):
        for kind in ("learned", "random_real"):
            own, other = (getattr(each, kind).accuracies for each in (ours, theirs))
            np.testing.assert_allclose(other, own, atol=0.02)  # sums in another order
        assert len(theirs.shifts.ladder) == len(ours.shifts.ladder) == 3
    assert "left" in ends[0][1]
    assert "seed 0" in ends[0][1]
    assert "seed 0" not in ends[1][1]  # process 0 tells for all
    assert list(find_problems(together.path)) == []
    files = {each.name for each in (together.path / "evaluation").rglob("*.json")}
    assert files == {each.name for each in (alone.path / "evaluation").rglob("*.json")}
