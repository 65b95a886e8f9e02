"""Processes that know the secret are heard; one that is gone, fails or falls silent is named, and ends the others."""

import re
import socket
import subprocess
import sys
import time

import pytest

PROGRAM = """
import os, signal, sys, time
from kerneldistill.runtime.distributed import roll_call
from kerneldistill.runtime.distributed.roll_call import RollCall
roll_call.SILENT_SECONDS = 6.0
index, deed = int(sys.argv[1]), sys.argv[2]
call = RollCall(["process 0 (a, pid 1)", "process 1 (b, pid 2)", "process 2 (c, pid 3)"], index)
if index == 0:
    print(*call.open("127.0.0.1"), flush=True)
else:
    call.join(["127.0.0.1"], int(sys.argv[3]), sys.argv[4])
time.sleep(1.5)
if deed == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
elif deed == "stop":
    os.kill(os.getpid(), signal.SIGSTOP)
elif deed == "fail":
    call.leave(7)
    time.sleep(3)
    os._exit(7)
elif deed == "leave":
    call.leave()
    time.sleep(3)
    os._exit(0)
time.sleep(30)
"""


def start(index: int, deed: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(index), deed, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def begun(deeds: list[str]) -> tuple[list[subprocess.Popen[str]], int]:
    """Three processes, and the port of the first."""
    first = start(0, deeds[0])
    assert first.stdout is not None
    where = first.stdout.readline().split()
    return [first, *(start(index, deeds[index], *where) for index in (1, 2))], int(where[0])


@pytest.mark.parametrize("culprit", [0, 1])
@pytest.mark.parametrize(
    ("deed", "how", "status"),
    [
        ("kill", "is gone: run", 75),
        pytest.param("stop", "has been silent for 6 s: run", 75, marks=pytest.mark.slow),
        ("fail", "has failed: see what it", 7),
    ],
)
def test_who_is_not_there_any_more_is_named_by_all(deed: str, how: str, status: int, culprit: int) -> None:
    group, _ = begun([deed if index == culprit else "work" for index in range(3)])
    for index, process in enumerate(group):
        if index != culprit:
            error = process.communicate(timeout=60)[1]
            assert re.search(rf"kdistill: process {culprit} \(\w, pid \d\) {how}", error), error
            assert process.returncode == status
    group[culprit].kill()
    group[culprit].communicate()


def test_who_leaves_is_not_missed() -> None:
    group, _ = begun(["leave"] * 3)
    for process in group:
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0


def test_strangers_change_nothing() -> None:
    group, port = begun(["leave"] * 3)
    strangers = []
    for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"x" * 100, b"\0" * 20):
        strangers.append(socket.create_connection(("127.0.0.1", port)))
        strangers[-1].sendall(said)
    for process in group:
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0
    for stranger in strangers:
        stranger.close()


@pytest.mark.slow
def test_a_process_that_was_stopped_itself_does_not_blame_the_others() -> None:
    group, _ = begun(["work"] * 3)
    time.sleep(1)
    for process in group:
        process.send_signal(19)  # SIGSTOP: a batch system suspends the job
    time.sleep(8)
    for process in group:
        process.send_signal(18)
    time.sleep(2)
    assert [process.poll() for process in group] == [None] * 3
    for process in group:
        process.kill()
        process.communicate()
