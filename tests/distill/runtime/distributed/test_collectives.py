"""Several processes give what one gives, and none outlives another."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
import pytest

from kerneldistill.runtime import signals
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.collectives import Shard
from tests.helpers.exchanges import exchanges
from tests.helpers.group import NETWORKS, by_features, computed
from tests.helpers.tolerance import FORWARD, assert_close

Group = list[subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path):
    """Starts a group of processes; none is left at the end."""
    started: Group = []

    def begin(count: int, scenario: str, *file: Path, of: Mapping[int, int] = {}) -> Group:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        env = {**os.environ, "JAX_PLATFORMS": "cpu", "KERNELDISTILL_CACHE": "", "PYTHONUNBUFFERED": "1"}
        for index in range(count):
            words = [
                sys.executable,
                "-m",
                "tests.helpers.group",
                str(port),
                str(index),
                str(of.get(index, count)),
                scenario,
            ]
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
    assert collectives.index() == 0
    assert collectives.shard(13) == Shard(0, 13, 13)
    tree = {"a": np.arange(3.0), "b": 2}
    assert collectives.all_reduce_sum(tree) is tree
    assert collectives.broadcast(tree) is tree
    assert collectives.all_gather(np.arange(3)).tolist() == [[0, 1, 2]]
    assert collectives.from_first(lambda: "made") == "made"
    assert collectives.from_each(lambda: "made") == ["made"]
    assert collectives.any_of(True)
    assert not collectives.any_of(False)


ALONE = """
import sys
from kerneldistill.runtime.distributed import collectives, stop
collectives.all_reduce_sum(1.0), collectives.from_first(str), stop.poll("step"), list(stop.polled("abc"))
assert "jax" not in sys.modules
"""


def test_a_process_alone_loads_no_jax_and_has_no_watchdog() -> None:
    subprocess.run([sys.executable, "-c", ALONE], check=True, timeout=60)


def test_a_sum_moves_its_bytes_twice() -> None:
    # Two devices of this process stand for two processes: the programs are the same.
    _, programs = collectives.exchanges(2, tuple(jax.devices()[:2]))
    pieces = programs["swap"].lower(jax.ShapeDtypeStruct((2, 2, 24), np.uint32)).compile()
    whole = programs["gather"].lower(jax.ShapeDtypeStruct((2, 24), np.uint32)).compile()
    assert exchanges(pieces) == [("all-to-all", 2 * 24 * 4)]
    assert exchanges(whole) == [("all-gather", 2 * 24 * 4)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_are_taken_in_the_order_of_processes(dtype: type) -> None:
    pieces = np.array([[1.0], [1e20], [-1e20]], dtype)
    assert collectives._in_order(pieces) == [0.0]
    assert collectives._in_order(pieces[::-1]) == [1.0]


def alone(*names: str) -> dict[str, dict[str, np.ndarray]]:
    few = {"few": computed(NETWORKS["fc"], np.array([4]))}
    few["resumed"] = dict.fromkeys(("stopped", "done"), few["few"]["solved"])
    with tempfile.TemporaryDirectory() as folder:
        few["features"] = by_features(Path(folder))
    return {name: computed(NETWORKS[name]) for name in names} | few


def assert_moved_as_documented(file: Path, count: int) -> None:
    """What `runtime.distributed.collectives` says of s = 7 supports of 6 x 6, k = 3 classes, in float64."""
    with np.load(file) as found:
        summed, gathered = found["moved/sum"].tolist(), found["moved/all_gather"].tolist()
    pixels, by_alpha, labels, kernel = 7 * 36 * 8, (7 * 3 + 2) * 8, 7 * 3 * 8, 7 * 7 * 8
    # alpha, the sums over targets, the gradients by k_ss and by the labels, and that by the pixels.
    assert summed == [labels, by_alpha, kernel, labels, pixels]
    # A sum gathers its pieces; what else is gathered is half of k_ss, and single flags.
    assert gathered.count(-(-7 // count) * (7 // 2 + 1) * 8) == 1
    of_sums = [-(-size // count // unit) * unit for size in summed for unit in (4, 8)]
    assert set(gathered) <= {4, -(-7 // count) * (7 // 2 + 1) * 8, *of_sums}


def assert_others_end(ends: list[tuple[int, str]], culprit: int, seconds: float) -> None:
    """All have ended within a minute, with 75 or the status of the one that failed, and have named it."""
    assert seconds < 60
    deserved = ends[culprit][0] if "played by a test" in ends[culprit][1] else signals.INTERRUPTED
    for index, (status, error) in enumerate(ends):
        if index != culprit:
            assert status == deserved, ends
            assert re.search(
                rf"kdistill: process {culprit} \(.*, pid \d+\) (is gone|has failed|has been silent)", error
            ), error


def test_two_processes_compute_what_one_does(start, tmp_path: Path) -> None:
    file = tmp_path / "found.npz"
    for status, error in told(start(2, "short", file)):
        assert status == 0, error
    for stored in (file, Path(f"{file}.1.npz")):
        assert_equal_to_alone(stored, alone("fc"))
        assert_moved_as_documented(stored, 2)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_compute_what_one_does(start, tmp_path: Path, count: int) -> None:
    file = tmp_path / "found.npz"
    for status, error in told(start(count, "same", file)):
        assert status == 0, error
    for stored in (file, *(Path(f"{file}.{index}.npz") for index in range(1, count))):
        assert_equal_to_alone(stored, alone(*NETWORKS))
        assert_moved_as_documented(stored, count)


@pytest.mark.slow
@pytest.mark.parametrize("culprit", [0, 1, 2])
@pytest.mark.parametrize(
    ("deed", "said", "status"),
    [("kill", "", -9), ("raise", "RuntimeError: played by a test", 1), ("stick", "in _played", 1)],
)
def test_who_comes_to_grief_is_named(start, deed: str, said: str, status: int, culprit: int) -> None:
    group = start(3, f"{deed}-{culprit}")
    group[culprit].wait(timeout=300)
    began = time.monotonic()
    ends = told(group)
    assert ends[culprit][0] == status
    assert said in ends[culprit][1]
    assert_others_end(ends, culprit, time.monotonic() - began)


@pytest.mark.slow
@pytest.mark.parametrize("culprit", [0, 1])
def test_a_frozen_process_is_not_waited_for(start, culprit: int) -> None:
    group = start(2, f"freeze-{culprit}")
    while (state := Path(f"/proc/{group[culprit].pid}/stat").read_text().rsplit(")")[-1].split()[0]) != "T":
        assert state != "Z", told(group)
        time.sleep(0.1)
    began = time.monotonic()
    group[1 - culprit].wait(timeout=300)
    seconds = time.monotonic() - began
    group[culprit].kill()
    ends = told(group)
    assert seconds < 60
    assert ends[1 - culprit][0] == signals.INTERRUPTED
    named = rf"process {culprit} \(.*, pid \d+\) has been silent for 20 s: run the same command again to resume"
    assert re.search(named, ends[1 - culprit][1])


@pytest.mark.parametrize("asked", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_all_stop_when_one_is_asked_to(start, tmp_path: Path, asked: int) -> None:
    file = tmp_path / "here"
    group = start(2, "wait", file)
    while not file.exists():
        assert all(process.poll() is None for process in group), told(group)
        time.sleep(0.05)
    group[asked].send_signal(signal.SIGTERM)
    ends = told(group, 60)
    assert [status for status, _ in ends] == [75, 75], ends
    assert all("interrupted; run the same command again to resume" in error for _, error in ends)


@pytest.mark.slow
def test_a_process_with_another_command_is_refused_by_name(start) -> None:
    for status, error in told(start(2, "other-1")):
        assert status == 2
        assert re.search(r"error: process 1 \(.*, pid \d+\) has another command or configuration than process 0", error)


@pytest.mark.slow
def test_a_process_with_another_count_is_refused_by_name(start) -> None:
    group = start(2, "same", of={1: 3})
    for status, error in told(group):
        assert status == 2
        assert re.search(r"error: process 1 \(.*, pid \d+\) has --processes.count 3, but 2 came", error)
