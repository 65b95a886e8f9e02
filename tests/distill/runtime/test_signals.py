"""The first signal is answered where nothing is cut, a second one at once, and a deaf main thread is not waited for."""

import os
import signal
import subprocess
import sys
import time

import pytest

from kerneldistill.runtime.signals import INTERRUPTED, MISTAKE, Deferred, handled

BOTH = [signal.SIGINT, signal.SIGTERM]


def nothing() -> None:
    """A rescue that is not needed."""


@pytest.mark.parametrize("signum", BOTH)
def test_a_signal_waits_for_a_poll(signum: int) -> None:
    before = [signal.getsignal(number) for number in BOTH]
    seen: list[int] = []

    def work(signals: Deferred) -> None:
        for item in signals.watch(range(5)):
            seen.append(item)
            if item == 2:
                os.kill(os.getpid(), signum)
                seen.append(20)  # what is begun is ended

    with handled(), Deferred(nothing) as signals, pytest.raises(KeyboardInterrupt):
        work(signals)
    assert seen == [0, 1, 2, 20]
    assert [signal.getsignal(number) for number in BOTH] == before


def test_a_signal_during_the_last_item_is_not_lost() -> None:
    with handled(), Deferred(nothing) as signals:
        items = signals.watch([1])
        assert next(items) == 1
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            next(items)


def test_outside_of_deferred_a_signal_ends_what_goes_on() -> None:
    def work() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    with handled(), handled(), pytest.raises(KeyboardInterrupt):  # the inner one changes nothing
        work()


def test_a_signal_that_nobody_polled_is_answered_on_leaving() -> None:
    def work() -> None:
        with Deferred(nothing):
            os.kill(os.getpid(), signal.SIGTERM)

    with handled(), pytest.raises(KeyboardInterrupt):
        work()


PROGRAM = """
import hashlib, os, signal, sys, threading, time
from kerneldistill.runtime import signals as preemption
from kerneldistill.runtime.signals import Deferred, handled
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
preemption.ECHO_SECONDS = 0.2
with handled():
    sends(0.4, signal.SIGTERM, signal.SIGINT)
    try:
        time.sleep(30)
    except KeyboardInterrupt:
        print("first", flush=True)
        time.sleep(30)
"""

ECHO = """
with handled(), Deferred(rescue) as signals:
    sends(0.1, signal.SIGTERM, signal.SIGTERM, signal.SIGINT)
    time.sleep(0.8)
    try:
        signals.poll()
    except KeyboardInterrupt:
        print("polled", flush=True)
        os._exit(7)
"""

DEAF = """
preemption.PATIENCE_SECONDS = 0.2
with handled(), Deferred(rescue) as signals:
    sends(0.1, signal.SIGTERM)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # minutes without an instruction of Python's
"""

DEAF_ELSEWHERE = """
preemption.PATIENCE_SECONDS = 0.2
with handled():
    sends(0.1, signal.SIGTERM)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""

DEAF_TO_THE_SECOND = """
preemption.ECHO_SECONDS = 0.2
with handled(), Deferred(rescue) as signals:
    sends(0.4, signal.SIGTERM, signal.SIGTERM)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""

FORKED = """
with handled(), Deferred(rescue) as signals:
    child = os.fork()
    if child == 0:
        time.sleep(30)
    for _ in range(2):
        time.sleep(1.1)
        os.kill(child, signal.SIGTERM)
    os.kill(child, signal.SIGKILL)
    signals.poll()
    print("not ours", flush=True)
"""

DEAF_AND_FULL = """
preemption.PATIENCE_SECONDS = 0.2
def rescue():
    raise OSError("no space left")
with handled(), Deferred(rescue) as signals:
    sends(0.1, signal.SIGTERM)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # minutes without an instruction of Python's
"""

IN_TIME = """
preemption.PATIENCE_SECONDS = 0.3
with handled(), Deferred(rescue) as signals:
    sends(0.1, signal.SIGTERM)
    time.sleep(0.2)
    try:
        signals.poll()
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
        (FORKED, 0, "not ours\n", ""),
        (DEAF_AND_FULL, MISTAKE, "", "kdistill: error: no space left\n"),
        (IN_TIME, 7, "saved by the loop\n", ""),
    ],
    ids=["second", "echo", "deaf", "deaf elsewhere", "deaf to the second", "forked", "deaf and full", "in time"],
)
def test_the_end_of_a_process(program: str, status: int, out: str, err: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM + program], capture_output=True, text=True, timeout=60
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (status, out, err)
