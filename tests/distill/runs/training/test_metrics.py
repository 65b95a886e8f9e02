"""The record of a run survives being killed, and forgets what is computed again."""

import json
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.errors import UserError
from kerneldistill.runs.training.metrics import MetricsLog, Scored, best_on_validation, scored


@pytest.fixture
def log(tmp_path: Path) -> MetricsLog:
    """Steps 1 to 4."""
    made = MetricsLog(tmp_path / "metrics.jsonl")
    for step in range(1, 5):
        made.append({"step": step, "loss": 1 / (3 * step)})
    return made


def test_every_line_is_json_and_numbers_come_back_exactly(log: MetricsLog) -> None:
    lines = log.path.read_text().splitlines()
    assert [json.loads(line).keys() for line in lines] == [{"step", "loss", "digest"}] * 4
    assert log.read() == [{"step": step, "loss": 1 / (3 * step)} for step in range(1, 5)]


def test_a_log_that_was_never_written_is_empty(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.truncate_after(0)
    assert log.read() == []
    assert not log.path.exists()


@pytest.mark.parametrize("torn", ["", '{"step": 5, "lo', '{"step": 5}'])
def test_resuming_drops_later_steps_and_a_torn_line(log: MetricsLog, torn: str) -> None:
    with log.path.open("a") as file:
        file.write(torn)
    assert [record["step"] for record in log.read()] == [1, 2, 3, 4]
    before = log.path.read_text().splitlines()[:2]
    log.truncate_after(2)
    assert log.path.read_text().splitlines() == before
    log.append({"step": 3, "loss": 9.0})
    assert [record["step"] for record in log.read()] == [1, 2, 3]
    assert [file.name for file in log.path.parent.iterdir()] == ["metrics.jsonl"]


def test_a_resumed_record_equals_an_uninterrupted_one(log: MetricsLog) -> None:
    whole = log.path.read_bytes()
    log.truncate_after(2)
    for step in (3, 4):
        log.append({"step": step, "loss": 1 / (3 * step)})
    assert log.path.read_bytes() == whole


@pytest.mark.parametrize("line", ["junk", "[1]", "3", '{"loss": 1}', '{"step": "a"}', ""])
def test_damage_in_the_middle_is_named(log: MetricsLog, line: str) -> None:
    lines = log.path.read_text().splitlines()
    log.path.write_text("\n".join([lines[0], line, *lines[2:], ""]))
    with pytest.raises(UserError, match=r"metrics\.jsonl is damaged at line 2"):
        log.truncate_after(2)


def test_any_change_of_a_byte_and_any_lost_line_is_named(log: MetricsLog) -> None:
    whole = log.path.read_bytes()
    lines = whole.splitlines(keepends=True)
    damages = [
        b"".join(lines[:1] + lines[2:]),
        b"".join([lines[1], lines[0], *lines[2:]]),
        b"".join([lines[0], *lines]),
    ]
    ends = [at for at, byte in enumerate(whole) if byte == ord("\n")]
    for place in range(ends[-1]):
        for bit in range(8):
            damages.append(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
    for damage in damages:
        log.path.write_bytes(damage)
        with pytest.raises(UserError, match=r"is damaged at line \d"):
            log.read()


def test_what_is_no_record_is_refused(log: MetricsLog) -> None:
    before = log.path.read_bytes()
    with pytest.raises(ValueError, match="needs a step"):
        log.append({"loss": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        log.append({"step": 5, "loss": float("nan")})
    with pytest.raises(TypeError):
        log.append({"step": 5, "loss": np.float32(1)})
    assert log.path.read_bytes() == before


def test_a_full_disk_is_told_with_what_to_do() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(UserError, match=r"step 3 could not be recorded in /dev/full: No space left.* again"):
        MetricsLog(full).append({"step": 3})


def test_scores_of_the_newest_set_and_of_the_average_compete() -> None:
    def score(step: int, accuracy: float, mse: float, name: str = "validation") -> dict[str, int | float]:
        return {"step": step, f"{name}_accuracy": accuracy, f"{name}_mse": mse}

    records = [
        score(0, 0.3, 0.5),
        {"step": 1, "loss": 0.1},
        score(2, 0.6, 0.4) | score(2, 0.6, 0.3, "average_validation"),
        score(4, 0.6, 0.3) | score(4, 0.5, 0.1, "average_validation"),
    ]
    assert [(s.step, s.averaged) for s in scored(records)] == [(0, False), (2, False), (2, True), (4, False), (4, True)]
    assert best_on_validation(records, "accuracy") == Scored(2, 0.6, 0.3, averaged=True)
    assert best_on_validation(records, "mse") == Scored(4, 0.5, 0.1, averaged=True)
    assert best_on_validation(records[1:2], "mse") is None
