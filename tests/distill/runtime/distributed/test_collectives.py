"""Several processes give what one gives, and none outlives another."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.collectives import Share
from tests.helpers.group import NETWORKS, computed
from tests.helpers.tolerance import FORWARD, assert_close

Group = list[subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path):
    """Starts a group of processes; none is left at the end."""
    started: Group = []

    def begin(count: int, scenario: str, *file: Path) -> Group:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        env = {**os.environ, "JAX_PLATFORMS": "cpu", "KERNELDISTILL_CACHE": "", "PYTHONUNBUFFERED": "1"}
        for index in range(count):
            words = [sys.executable, "-m", "tests.helpers.group", str(port), str(index), str(count), scenario]
            started.append(
                subprocess.Popen(
                    [*words, *map(str, file)], env=env, stderr=subprocess.PIPE, text=True, stdout=sys.stderr
                )
            )
        return started

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def told(group: Group, seconds: float = 300.0) -> list[tuple[int, str]]:
    """Exit status and standard error of each, when all have ended."""
    errors = [process.communicate(timeout=seconds)[1] for process in group]
    return [(process.returncode, error) for process, error in zip(group, errors, strict=True)]


def assert_equal_to_alone(file: Path, wanted: dict[str, dict[str, np.ndarray]]) -> None:
    with np.load(file) as found:
        assert {name for name in found if not name.startswith("moved/")} == {
            f"{name}/{key}" for name, arrays in wanted.items() for key in arrays
        }
        for name, arrays in wanted.items():
            for key, array in arrays.items():
                assert_close(found[f"{name}/{key}"], array, 10 * FORWARD["float64"])


def test_a_process_alone_has_everything() -> None:
    assert collectives.count() == 1
    assert collectives.is_writer()
    assert collectives.share(13) == Share(0, 13, 13)
    assert collectives.total({"a": np.arange(3.0), "b": 2}) == {"a": pytest.approx(np.arange(3.0)), "b": 2}
    assert collectives.gather(np.arange(3)).tolist() == [[0, 1, 2]]
    assert collectives.from_writer(lambda: "made") == "made"
    assert list(collectives.in_step("abc")) == ["a", "b", "c"]
    assert collectives.end(3) == 3


def alone(*names: str) -> dict[str, dict[str, np.ndarray]]:
    few = {"few": computed(NETWORKS["fc"], np.array([4]))}
    return {name: computed(NETWORKS[name]) for name in names} | few


def assert_moved_as_documented(file: Path, count: int) -> None:
    """What `runtime.distributed.collectives` says of s = 7 supports of 6 x 6, k = 3 classes, in float64."""
    with np.load(file) as found:
        summed, gathered = found["moved/total"].tolist(), found["moved/gather"].tolist()
    # A sum gathers its pieces; what else is gathered is half of k_ss, and single numbers.
    pixels, by_alpha = 7 * 36 * 8, (7 * 3 + 3) * 8
    assert [size for size in summed if size in (pixels, by_alpha)] == [by_alpha, pixels]
    copies = [size for size in summed if size not in (pixels, by_alpha)]
    # The call with the support, alpha, and the gradients by k_ss and by the labels.
    assert len(copies) == 3
    assert all(size & (size - 1) == 0 for size in copies)
    assert gathered.count(-(-7 // count) * (7 // 2 + 1) * 8) == 1


def assert_named(ends: list[tuple[int, str]], culprit: int, said: str) -> None:
    """All have ended with the status of an interruption or an error, and each survivor has named the culprit."""
    for index, (status, error) in enumerate(ends):
        assert status != 0
        if index != culprit:
            assert re.search(rf"kdistill: process {index} \(.*\): process {culprit} \(.*\)[, ].*{said}", error), error


def test_two_processes_compute_what_one_does_and_end_when_one_is_killed(start, tmp_path: Path) -> None:
    file = tmp_path / "found.npz"
    ends = told(start(2, "short", file))
    assert_equal_to_alone(file, alone("fc"))
    assert_moved_as_documented(file, 2)
    assert_named(ends, 1, "is gone")
    assert [status for status, _ in ends] == [75, -signal.SIGKILL]


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_compute_what_one_does(start, tmp_path: Path, count: int) -> None:
    file = tmp_path / "found.npz"
    for status, error in told(start(count, "same", file)):
        assert status == 0, error
    assert_equal_to_alone(file, alone(*NETWORKS))
    assert_moved_as_documented(file, count)


@pytest.mark.slow
@pytest.mark.parametrize("culprit", [0, 1, 2])
@pytest.mark.parametrize(
    ("deed", "said", "status"),
    [("kill", "is gone", -9), ("raise", "RuntimeError: played by a test", 1), ("stick", "is stuck", 75)],
)
def test_who_comes_to_grief_is_named(start, deed: str, said: str, status: int, culprit: int) -> None:
    ends = told(start(3, f"{deed}-{culprit}"))
    assert_named(ends, culprit, said)
    assert ends[culprit][0] == status
    assert {ends[index][0] for index in {0, 1, 2} - {culprit}} == {1 if deed == "raise" else 75}
