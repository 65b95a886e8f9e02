"""A signal is answered where nothing is cut, a second one at once, and a deaf main thread is not waited for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kerneldistill.runtime import signals
from kerneldistill.runtime.distributed.stop import polled
from kerneldistill.runtime.signals import INTERRUPTED, MISTAKE, handlers_installed, poll

BOTH = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("signum", BOTH)
def test_a_signal_waits_for_a_poll(signum: int) -> None:
    before = [signal.getsignal(number) for number in BOTH]
    seen: list[int] = []

    def work() -> None:
        for item in polled(range(5)):
            seen.append(item)
            if item == 2:
                os.kill(os.getpid(), signum)
                seen.append(20)  # what is begun is ended

    with handlers_installed(), handlers_installed(), pytest.raises(KeyboardInterrupt):  # the inner one changes nothing
        work()
    assert seen == [0, 1, 2, 20]
    assert [signal.getsignal(number) for number in BOTH] == before


def test_a_signal_during_the_last_item_is_not_lost() -> None:
    with handlers_installed():
        items = polled([1])
        assert next(items) == 1
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            next(items)


def test_a_signal_is_answered_once() -> None:
    with handlers_installed():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            poll()
        poll()
        time.sleep(0.1)  # the listener hears of it later
        poll()


def test_a_garbage_collector_cannot_swallow_a_signal() -> None:
    class Collected:
        def __del__(self) -> None:  # Python prints what is raised here, and goes on
            os.kill(os.getpid(), signal.SIGTERM)
            sum(range(1000))

    with handlers_installed():
        Collected()
        assert signals.asked()
        with pytest.raises(KeyboardInterrupt):
            poll()


PROGRAM = """
import hashlib, os, signal, sys, threading, time
from kerneldistill.runtime import signals
from kerneldistill.runtime.signals import handlers_installed, poll
from kerneldistill.runtime.signals import rescue as rescued_by
def after(seconds, *numbers):
    for number in numbers:
        time.sleep(seconds)
        os.kill(os.getpid(), number)
def sends(seconds, *numbers):
    threading.Thread(target=after, args=(seconds, *numbers), daemon=True).start()
def rescue():
    print("rescued", flush=True)
"""

SECOND = """
signals.ECHO_SECONDS = 0.2
with handlers_installed():
    sends(0.4, signal.SIGTERM, signal.SIGINT)
    try:
        while True:
            time.sleep(0.01)
            poll()
    except KeyboardInterrupt:
        print("first", flush=True)
        time.sleep(30)
"""

ECHO = """
with handlers_installed(), rescued_by(rescue):
    sends(0.1, signal.SIGTERM, signal.SIGTERM, signal.SIGINT)
    time.sleep(0.8)
    try:
        poll()
    except KeyboardInterrupt:
        print("polled", flush=True)
        os._exit(7)
"""

DEAF = """
signals.PATIENCE_SECONDS = 0.2
with handlers_installed(), rescued_by(rescue):
    sends(0.1, signal.SIGTERM)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # minutes without an instruction of Python's
"""

DEAF_ELSEWHERE = """
signals.SHORT_PATIENCE_SECONDS = 0.2
with handlers_installed():
    sends(0.1, signal.SIGTERM)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""

SOMETHING_SINCE = """
signals.SHORT_PATIENCE_SECONDS, signals.PATIENCE_SECONDS = 0.2, 20
with handlers_installed():
    sends(0.1, signal.SIGTERM)
    time.sleep(0.2)
    with rescued_by(rescue):
        time.sleep(0.5)
        try:
            poll()
        except KeyboardInterrupt:
            print("saved by the loop", flush=True)
            os._exit(7)
"""

DEAF_TO_THE_SECOND = """
signals.ECHO_SECONDS = 0.2
with handlers_installed(), rescued_by(rescue):
    sends(0.4, signal.SIGTERM, signal.SIGTERM)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""

TWICE_AT_ONCE = """
with handlers_installed(), rescued_by(rescue):
    sends(1.1, signal.SIGINT, signal.SIGINT)
    time.sleep(30)
"""

FORKED = """
with handlers_installed(), rescued_by(rescue):
    child = os.fork()
    if child == 0:
        time.sleep(30)
    for _ in range(2):
        time.sleep(1.1)
        os.kill(child, signal.SIGTERM)
    os.kill(child, signal.SIGKILL)
    poll()
    print("not ours", flush=True)
"""

DEAF_AND_FULL = """
signals.PATIENCE_SECONDS = 0.2
def rescue():
    raise OSError("no space left")
with handlers_installed(), rescued_by(rescue):
    sends(0.1, signal.SIGTERM)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # minutes without an instruction of Python's
"""

IN_TIME = """
signals.PATIENCE_SECONDS = 0.3
with handlers_installed(), rescued_by(rescue):
    sends(0.1, signal.SIGTERM)
    time.sleep(0.2)
    try:
        poll()
    except KeyboardInterrupt:
        time.sleep(0.5)
        print("saved by the loop", flush=True)
        os._exit(7)
"""


@pytest.mark.parametrize(
    ("program", "status", "out", "err"),
    [
        (SECOND, INTERRUPTED, "first\n", ""),
        (ECHO, 7, "polled\n", ""),
        (DEAF, INTERRUPTED, "rescued\n", "kdistill: interrupted; run the same command again to resume\n"),
        (DEAF_ELSEWHERE, INTERRUPTED, "", "kdistill: interrupted; run the same command again to resume\n"),
        (DEAF_TO_THE_SECOND, INTERRUPTED, "", ""),
        (TWICE_AT_ONCE, INTERRUPTED, "", ""),
        (FORKED, 0, "not ours\n", ""),
        (DEAF_AND_FULL, MISTAKE, "", "kdistill: error: no space left\n"),
        (IN_TIME, 7, "saved by the loop\n", ""),
        (SOMETHING_SINCE, 7, "saved by the loop\n", ""),
    ],
    ids=[
        "second",
        "echo",
        "deaf",
        "deaf elsewhere",
        "deaf to the second",
        "twice",
        "forked",
        "deaf and full",
        "in time",
        "something to rescue since",
    ],
)
def test_the_end_of_a_process(program: str, status: int, out: str, err: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM + program], capture_output=True, text=True, timeout=60
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (status, out, err)


SWEEP = """
import os, signal, subprocess, sys
from kerneldistill.runtime.signals import PARENT
child = subprocess.Popen(
    [sys.executable, "-c", sys.argv[1]],
    start_new_session=True,
    stdout=subprocess.PIPE,
    env={**os.environ, PARENT: str(os.getpid())},
)
child.stdout.readline()
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
RUN = """
import sys, time
from kerneldistill.cli import main
from kerneldistill.runtime.signals import poll
def wait(args):
    print("here", flush=True)
    while True:
        time.sleep(0.05)
        poll()
main._dispatch = wait
sys.exit(main.main([]))
"""


def test_a_run_ends_with_the_sweep_that_started_it() -> None:
    answer = subprocess.run([sys.executable, "-c", SWEEP, RUN], capture_output=True, text=True)
    pid = int(answer.stdout)
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("it outlived the sweep")


AT_THE_END = """
def whole():
    with handlers_installed(at_the_end=True):
        pass
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
whole()
sys.exit(5)
"""


def test_a_signal_after_the_end_changes_no_status() -> None:
    assert subprocess.run([sys.executable, "-c", PROGRAM + AT_THE_END]).returncode == 5
