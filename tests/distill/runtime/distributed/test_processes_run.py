"""`kdistill distill` by two processes: killed, asked to stop, gone on with; at the end, what one process learns."""

import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.config.schema import Config
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.training.metrics import MetricsLog
from tests.distill.runs.training.test_restart import begun, environment

pytestmark = pytest.mark.slow


def started(rundir: RunDir, cache: Path, count: int) -> list[subprocess.Popen[str]]:
    """The processes of one job."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    words = [
        sys.executable,
        "-m",
        "kerneldistill",
        "distill",
        "digits",
        "--config",
        rundir.config_file,
        "--dir",
        rundir.path,
    ]
    place = ["--processes.coordinator", coordinator, "--processes.count", str(count), "--processes.index"]
    env = {**environment(cache), "JAX_PLATFORMS": "cpu"}
    return [
        subprocess.Popen(
            [*words, *([*place, str(index)] if count > 1 else [])], env=env, stderr=subprocess.PIPE, text=True
        )
        for index in range(count)
    ]


def ended(job: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Status and standard error of each."""
    errors = [process.communicate(timeout=300)[1] for process in job]
    return [(process.returncode, error) for process, error in zip(job, errors, strict=True)]


def reached(rundir: RunDir, records: int, job: list[subprocess.Popen[str]]) -> None:
    """Waits for so many records of metrics."""
    while not rundir.metrics_file.exists() or rundir.metrics_file.read_bytes().count(b"\n") < records:
        assert all(process.poll() is None for process in job), ended(job)
        time.sleep(0.01)


def test_a_job_of_two_processes_survives_what_happens_to_them(tmp_path: Path, small: Config, finished: RunDir) -> None:
    config = replace(small, kernel=replace(small.kernel, dtype="float64"), optim=replace(small.optim, steps=40))
    whole, broken = (begun(tmp_path / name, config, finished.prepared) for name in ("whole", "broken"))
    cache = tmp_path / "cache"
    assert [status for status, _ in ended(started(whole, cache, 1))] == [0]
    for records, culprit in ((3, 1), (8, 0)):
        job = started(broken, cache, 2)
        reached(broken, records, job)
        began = time.monotonic()
        job[culprit].kill()
        ends = ended(job)
        assert time.monotonic() - began < 60
        assert ends[culprit][0] == -signal.SIGKILL
        assert ends[1 - culprit][0] not in (0, 2), ends[1 - culprit][1]
    job = started(broken, cache, 2)
    reached(broken, 14, job)
    job[1].terminate()  # the one that does not write
    ends = ended(job)
    assert [status for status, _ in ends] == [75, 75], ends
    assert "interrupted; run the same command again to resume" in ends[0][1]
    job = started(broken, cache, 1)  # another number of processes goes on
    reached(broken, 20, job)
    job[0].terminate()
    assert [status for status, _ in ended(job)] == [75]
    ends = ended(started(broken, cache, 2))
    assert [status for status, _ in ends] == [0, 0], ends
    assert_same_to_rounding(broken, whole)


def assert_same_to_rounding(broken: RunDir, whole: RunDir) -> None:
    found, wanted = (MetricsLog(rundir.metrics_file).read() for rundir in (broken, whole))
    assert [record["step"] for record in found] == [record["step"] for record in wanted] == list(range(41))
    for name in ("loss", "gradient_norm"):
        assert [record[name] for record in found[1:]] == pytest.approx(
            [record[name] for record in wanted[1:]], rel=1e-8
        )
    for name in ("images", "labels"):
        supports = [getattr(Outcome.load(rundir.outcome_file).support, name) for rundir in (broken, whole)]
        np.testing.assert_allclose(*supports, rtol=0, atol=1e-7)
