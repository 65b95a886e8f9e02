"""What is saved, when, and what stays."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import CheckpointConfig, Config
from kerneldistill.runs.training.checkpoints import Checkpoints
from kerneldistill.runs.training.saver import CheckpointSaver
from kerneldistill.runs.training.schedule import GEOMETRIC, steps_for_good, to_save


def config_of(steps: int = 100_000, **saved: object) -> Config:
    digits = PRESETS["digits"]
    return replace(digits, optim=replace(digits.optim, steps=steps), checkpoint=CheckpointConfig(**saved))


def test_the_schedule_is_that_of_the_released_checkpoints() -> None:
    # The column ckpt of kip.csv: 0 is the start, which needs no saving.
    released = [1, 2, 4, 6, 8, 12, 18, 26, 37, 54, 78, 112, 162, 233, 335, 483, 695, 1000]
    assert sorted(GEOMETRIC) == released
    saved = [step for step in range(1, 2501) if to_save(step, 0.0, config_of())]
    assert saved == sorted({*released, 500, 1500, 2000, 2500})
    assert to_save(77, 0.0, config_of(steps=77))
    assert not to_save(4, 0.0, config_of(geometric=False))
    assert [to_save(77, seconds, config_of(minutes=0.5)) for seconds in (29.9, 30.0)] == [False, True]
    assert not to_save(77, 1e9, config_of(minutes=0.0))
    assert steps_for_good(CheckpointConfig(keep_geometric=True)) == GEOMETRIC
    assert not steps_for_good(CheckpointConfig())


class Kept:
    """A saver of numbers, with a clock that stands still."""

    def __init__(self, folder: Path, **saved: object) -> None:
        self.now = 0.0
        self.drawn: list[int] = []
        self.checkpoints, self.best = (Checkpoints(folder / name, keep=2) for name in ("checkpoints", "best"))
        config = config_of(geometric=False, every=10, **saved)
        self.saver = CheckpointSaver(
            config, self.checkpoints, self.best, lambda state: self.drawn.append(state["x"]), self.clock
        )
        self.saver.begin(0, self.state(0))

    def clock(self) -> float:
        return self.now

    def draw(self, state: dict[str, int]) -> None:
        self.drawn.append(state["x"])

    @staticmethod
    def state(step: int) -> dict[str, int]:
        return {"x": step}

    def finish(self, step: int, is_best: bool = False) -> None:
        self.saver.step_done(step, self.state(step), is_best)


def test_states_are_saved_when_due_and_the_best_apart(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    for step in range(1, 32):
        kept.finish(step, is_best=step in (3, 7))
    assert kept.checkpoints.steps() == [20, 30]
    assert kept.best.steps() == [7]
    assert kept.best.restore_latest({"x": 0}) == (7, {"x": 7})
    assert kept.drawn == [10, 20, 30]


def test_the_clock_makes_a_state_due(tmp_path: Path) -> None:
    kept = Kept(tmp_path, minutes=1.0)
    for step, now in enumerate([30.0, 70.0, 120.0, 130.0], start=1):
        kept.now = now
        kept.finish(step)
    assert kept.checkpoints.steps() == [2, 4]


def test_the_newest_is_saved_once_from_any_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(tmp_path)
    kept.saver.save()
    assert kept.checkpoints.steps() == []  # the beginning needs none
    kept.finish(3)
    saves: list[int] = []
    monkeypatch.setattr(kept.checkpoints, "save", lambda step, state: saves.append(step))
    rescue = threading.Thread(target=kept.saver.save)
    rescue.start()
    rescue.join()
    kept.saver.save()
    assert saves == [3]
    assert np.array_equal(kept.drawn, [])
