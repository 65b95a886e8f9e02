"""The picture of a run takes little of its time, and never ends it."""

import logging
from pathlib import Path

import pytest
from PIL import Image

from kerneldistill.runs.training.live_picture import LivePicture


class Painter:
    """Draws in 2 seconds of a clock that only it moves; the width counts the pictures."""

    def __init__(self) -> None:
        self.now = 0.0
        self.drawn = 0

    def clock(self) -> float:
        return self.now

    def draw(self) -> Image.Image:
        self.now += 2.0
        self.drawn += 1
        return Image.new("RGB", (self.drawn, 1))


def test_a_picture_is_drawn_when_the_last_has_paid_for_itself(tmp_path: Path) -> None:
    painter = Painter()
    live = LivePicture(tmp_path / "live.png", painter.clock)
    times = []
    for second in range(100):
        painter.now = max(painter.now, float(second))
        before = painter.drawn
        live.show(painter.draw)
        times += [second] * (painter.drawn - before)
    assert times == [0, 42, 84]  # 2 seconds are a twentieth of 40
    with Image.open(tmp_path / "live.png") as picture:
        assert picture.size == (3, 1)


def test_a_picture_that_cannot_be_written_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    LivePicture(tmp_path / "nowhere" / "live.png").show(Painter().draw)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "live.png could not be written: No such file" in record.getMessage()
