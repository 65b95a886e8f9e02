"""The watch of processes over each other, on a board of one test and with a clock that it sets."""

import pytest

from kerneldistill.runtime.distributed import watchdog
from kerneldistill.runtime.distributed.timeouts import ANYTHING, FACTOR, FIRST_SECONDS, LEAST_SECONDS, Pace
from kerneldistill.runtime.distributed.watchdog import (
    ALARM_SECONDS,
    GRACE_SECONDS,
    SILENCE_SECONDS,
    LostBoardError,
    Watchdog,
)

NAMES = ["process 0 (a, pid 1)", "process 1 (b, pid 2)", "process 2 (b, pid 3)"]


class Table:
    """A board that can be taken away."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.lost = False

    def put(self, name: str, text: str) -> None:
        if self.lost:
            raise LostBoardError
        self.texts[name] = text

    def read(self, folder: str) -> dict[int, str]:
        if self.lost:
            raise LostBoardError
        found = (name.split("/") for name in self.texts)
        return {int(index): self.texts[f"{place}/{index}"] for place, index in found if place == folder}


class Room:
    """Three processes with watchdogs that are turned by hand, a second at a time.

    left: the status with which each has left
    """

    def __init__(self) -> None:
        self.now, self.table, self.left, self.asked = 0.0, Table(), {}, []
        self.dogs = [
            Watchdog(
                self.table,
                index,
                NAMES,
                stop=lambda index=index: self.asked.append(index),
                clock=lambda: self.now,
                leave=lambda status, index=index: self.left.setdefault(index, status),
            )
            for index in range(3)
        ]

    def run(self, seconds: float, *, without: tuple[int, ...] = ()) -> None:
        """Turns the dogs of all who have not left but those `without`."""
        until = self.now + seconds
        while self.now < until:
            self.now += 1.0
            for index, dog in enumerate(self.dogs):
                if index not in self.left and index not in without:
                    dog.turn()


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(watchdog, "GRACE_SECONDS", 0.0)
    monkeypatch.setattr(watchdog, "PERIOD_SECONDS", 0.0)
    found = Room()
    found.run(3)
    return found


def test_nothing_happens_while_all_give_signs(room: Room) -> None:
    room.dogs[1].piece("chunk")
    room.run(1000)
    room.dogs[1].piece(None)
    room.run(10_000)
    assert room.left == {}


def test_who_gives_no_sign_is_named_by_all(room: Room, capfd: pytest.CaptureFixture[str]) -> None:
    room.run(SILENCE_SECONDS - 1, without=(1,))
    assert room.left == {}
    room.dogs[0].wait()
    room.run(4, without=(1,))
    assert room.left[0] == 75
    told = capfd.readouterr().err
    assert f"{NAMES[0]}: {NAMES[1]} is gone: it has given no sign of life for 41 s; run the same command" in told


def test_a_failed_exchange_makes_them_look_closer(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog.time, "sleep", lambda seconds: None)
    room.dogs[2].wait()
    room.dogs[2].failing()
    room.run(ALARM_SECONDS + 3, without=(1,))
    assert room.left == {0: 75, 2: 75}


def test_others_take_over_the_status_of_who_failed(room: Room, capfd: pytest.CaptureFixture[str]) -> None:
    room.dogs[1].tell(watchdog.End(2, "failed: no such file"))
    room.dogs[0].wait()
    room.run(1, without=(1,))
    assert room.left == {0: 2}
    assert f"{NAMES[1]} failed: no such file" in capfd.readouterr().err


def test_who_is_at_work_has_a_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Room()
    own.run(2)
    own.dogs[2].piece("saving")
    own.table.put("end/1", '[1, "failed", null]')
    own.table.put("end/0", '[0, "", null]')
    own.run(GRACE_SECONDS, without=(0, 1))
    assert own.left == {}
    own.run(3, without=(0, 1))
    assert own.left == {2: 1}


def test_who_is_stuck_says_so(room: Room, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        room.dogs[1].piece("chunk")
        room.run(2)
    room.run(LEAST_SECONDS - 4)
    assert room.left == {}
    for other in (0, 2):
        room.dogs[other].wait()
    room.run(4)
    assert room.left == {1: 75, 0: 75, 2: 75}
    told = capfd.readouterr().err
    assert f"{NAMES[1]}: this process is stuck: a piece of its work has taken 41 s, 40 s are allowed" in told
    assert f"{NAMES[2]}: {NAMES[1]} is stuck" in told
    assert "Current thread" in told


def test_what_may_take_long_is_waited_for(room: Room) -> None:
    for other in (0, 2):
        room.dogs[other].wait()
    room.dogs[1].piece(None)
    room.run(5000)
    assert room.left == {}


def test_an_exchange_that_all_have_come_to_does_not_last(room: Room, capfd: pytest.CaptureFixture[str]) -> None:
    for dog in room.dogs:
        dog.wait()
    room.run(LEAST_SECONDS - 1)
    assert room.left == {}
    room.run(5)
    assert set(room.left.values()) == {75}
    assert "exchange 1 hangs" in capfd.readouterr().err


def test_without_the_board_process_0_is_gone(room: Room, capfd: pytest.CaptureFixture[str]) -> None:
    room.table.lost = True
    room.run(1, without=(0,))
    assert room.left == {1: 75, 2: 75}
    assert f"{NAMES[2]}: {NAMES[0]} is gone" in capfd.readouterr().err


def test_process_0_is_asked_to_stop_once(room: Room) -> None:
    room.table.put("stop/2", "asked to stop")
    room.run(5)
    assert room.asked == [0]


def test_limits_follow_what_was_measured() -> None:
    pace = Pace()
    assert pace.limit("chunk", 0) == FIRST_SECONDS
    pace.took("chunk", 0, 100.0)  # it compiled
    assert pace.limit("chunk", 0) == FACTOR * 100.0
    pace.took("chunk", 0, 1.0)
    assert pace.limit("chunk", 0) == LEAST_SECONDS
    pace.took("chunk", 0, 30.0)
    assert pace.limit("chunk", 0) == FACTOR * 30.0
    for _ in range(10):
        pace.took("chunk", 0, 7.0)
    assert pace.limit("chunk", 0) == FACTOR * 7.0
    assert pace.limit("chunk", 1) == FIRST_SECONDS
    pace.took(ANYTHING, 0, 1.0)
    assert pace.limit(ANYTHING, 0) == FIRST_SECONDS


def test_who_began_it_is_named_by_those_who_only_see_the_others_follow(
    room: Room, capfd: pytest.CaptureFixture[str]
) -> None:
    room.table.put("end/2", '[1, "failed: no memory", null]')
    for waiting in (0, 1):
        room.dogs[waiting].wait()
    room.run(1, without=(1, 2))
    del room.table.texts["end/2"]
    room.run(1, without=(2,))
    assert room.left == {0: 1, 1: 1}
    assert f"{NAMES[1]}: {NAMES[2]} failed: no memory" in capfd.readouterr().err
