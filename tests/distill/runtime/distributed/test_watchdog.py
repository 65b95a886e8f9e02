"""The watchdog of a process: how long work may take, and its end where that is not enough."""

import subprocess
import sys

import pytest

from kerneldistill.runtime.distributed import watchdog
from kerneldistill.runtime.distributed.watchdog import FACTOR, FIRST_SECONDS, LEAST_SECONDS, Pace


def test_limits_follow_what_was_measured() -> None:
    pace = Pace()
    assert pace.limit("chunk") == FIRST_SECONDS
    pace.took("chunk", 1000.0)  # it compiled
    assert pace.limit("chunk") == FIRST_SECONDS
    pace.took("chunk", 1.0)
    assert pace.limit("chunk") == LEAST_SECONDS
    for seconds in (30.0, 2.0):
        pace.took("chunk", seconds)
        assert pace.limit("chunk") == FACTOR * 30.0
    assert pace.limit("another") == FIRST_SECONDS


@pytest.fixture
def armed(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The limits that faulthandler was given in turn; None where it was told to stop."""
    found: list[float | None] = []
    monkeypatch.setattr(watchdog.faulthandler, "dump_traceback_later", lambda seconds, exit: found.append(seconds))
    monkeypatch.setattr(watchdog.faulthandler, "cancel_dump_traceback_later", lambda: found.append(None))
    for name, value in (("_pace", Pace()), ("_work", (None, 0)), ("_since", 0.0)):
        monkeypatch.setattr(watchdog, name, value)
    return found


def test_work_is_measured_without_waiting_for_others(armed: list[float | None]) -> None:
    for _ in range(3):
        watchdog.begin("chunk")
        with watchdog.waiting():
            pass
    longest = 2 * FIRST_SECONDS  # what others may need for the first time, and more
    first = [FIRST_SECONDS, longest, FIRST_SECONDS]
    assert armed == [*first, *first, LEAST_SECONDS, longest, LEAST_SECONDS]


def test_what_has_no_limit_is_not_watched(armed: list[float | None]) -> None:
    watchdog.begin("chunk")
    with watchdog.unlimited():
        with watchdog.waiting():
            pass
        watchdog.begin("chunk")
    assert armed == [FIRST_SECONDS, None, FIRST_SECONDS]


STUCK = """
from kerneldistill.runtime.distributed import watchdog
watchdog.LEAST_SECONDS = 0.2
for _ in range(3):
    watchdog.begin("chunk")
def stuck():
    (lambda: [0 for _ in iter(int, 1)])()  # for ever, without an end of the statement
stuck()
"""


def test_who_is_stuck_ends_with_a_traceback() -> None:
    answer = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 1
    assert "Timeout" in answer.stderr
    assert "in stuck" in answer.stderr
