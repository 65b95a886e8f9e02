"""How images evolve: pictures kept in a bounded number, and one that moves in a bounded number of bytes."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from kerneldistill.runs.training import evolution
from kerneldistill.runs.training.evolution import MOST, SHOWN_LAST, Evolution, moving


class Ticks:
    """A clock that goes on by much whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1000.0
        return self.now


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evolution:
    monkeypatch.setattr(evolution, "PART", np.inf)
    return Evolution(tmp_path / "frames", Ticks())


def picture(step: int, size: tuple[int, int] = (60, 50)) -> Image.Image:
    return Image.new("RGB", size, (step % 256, 20, 200))


def test_the_pictures_of_a_long_run_are_few_and_hold_its_first_and_last(kept: Evolution) -> None:
    for step in range(1000):
        kept.add(step, lambda step=step: picture(step))
    steps = kept.steps()
    assert MOST / 2 <= len(steps) <= MOST
    assert (steps[0], steps[-1]) == (0, 999)


def test_steps_that_are_done_again_are_forgotten(kept: Evolution) -> None:
    for step in (0, 1, 2, 4, 6):
        kept.add(step, lambda step=step: picture(step))
    kept.forget_after(3)
    assert kept.steps() == [0, 1, 2]
    kept.forget_after(-1)
    assert kept.steps() == []
    assert kept.gif() is None


def test_drawing_takes_a_small_part_of_the_time(tmp_path: Path) -> None:
    now = [0.0]

    def drawn() -> Image.Image:
        now[0] += 2.0
        return picture(0)

    kept = Evolution(tmp_path / "frames", lambda: now[0])
    for second in range(100):
        now[0] = max(now[0], float(second))
        kept.add(second, drawn)
    assert len(kept.steps()) == 5  # 2 seconds are a tenth of 20


def test_the_picture_that_moves_has_every_frame_and_stops_at_the_last(kept: Evolution) -> None:
    for step, size in ((0, (60, 50)), (9, (60, 50)), (10, (66, 50))):  # another digit made the title wider
        kept.add(step, lambda step=step, size=size: picture(100 * step, size))
    content = kept.gif()
    assert content is not None
    with Image.open(io.BytesIO(content)) as gif:
        assert (gif.size, gif.n_frames) == ((66, 50), 3)
        times = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
        gif.seek(2)
        assert np.abs(np.asarray(gif.convert("RGB"), int)[5, 5] - (1000 % 256, 20, 200)).max() < 8
    assert times[-1] == SHOWN_LAST > times[0]


def test_a_picture_that_would_be_large_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 256, (300, 400, 3), np.uint8)) for _ in range(4)]
    whole = len(moving(frames))
    monkeypatch.setattr(evolution, "MOST_BYTES", whole // 3)
    assert len(moving(frames)) <= whole // 3


def test_no_room_for_a_picture_ends_no_run(kept: Evolution, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "frames").write_text("a file")
    kept.add(0, lambda: picture(0))
    assert "could not be written" in caplog.text
