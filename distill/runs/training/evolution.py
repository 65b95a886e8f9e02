"""How the images of a run evolve: small pictures of them, kept as the run is saved, and one that moves in the end.

A run of any length keeps a bounded number of pictures: where there are too many, every other one goes, but for the
first and the last.
"""

import io
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from kerneldistill.pipeline.storage.files import write_whole

LOG = logging.getLogger(__name__)

# Pixels of one image, about: half of those of the picture at the end.
TILE = 48
# Pictures that are kept; between half of them and all are shown.
MOST = 32
# Bytes of the picture that moves; above it is made smaller.
MOST_BYTES = 3_000_000
# Milliseconds that each picture is shown, and the last.
SHOWN, SHOWN_LAST = 220, 2400
# Most of a run's time that drawing may take.
PART = 0.1


class Evolution:
    """The pictures of a run by their steps.

    Args:
      folder: of the pictures, STEP.png
      clock: seconds, for tests

    Example:
      evolution.add(step, lambda: draw_sheet(...))
      file.write_bytes(evolution.gif())
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._next = clock()

    def steps(self) -> list[int]:
        """Steps of which there is a picture, ascending."""
        return sorted(int(file.stem) for file in self._folder.glob("*.png") if file.stem.isdecimal())

    def add(self, step: int, draw: Callable[[], Image.Image], always: bool = False) -> None:
        """Keep a picture, unless less than 1 / `PART` times the seconds of the last one have passed since.

        always: keep it whatever it takes: the first and the last
        """
        began = self._clock()
        if began < self._next and not always:
            return
        buffer = io.BytesIO()
        draw().quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        try:
            self._folder.mkdir(exist_ok=True)
            write_whole(self._file(step), buffer.getvalue())
            self._thin()
        except OSError as error:  # no reason to end a run
            LOG.warning("%s could not be written: %s", self._folder, error.strerror)
        ended = self._clock()
        self._next = ended + (ended - began) / PART

    def forget_after(self, step: int) -> None:
        """Remove the pictures of later steps, which are done again."""
        for late in (late for late in self.steps() if late > step):
            self._file(late).unlink(missing_ok=True)

    def gif(self) -> bytes | None:
        """The picture that moves; None where nothing has changed yet."""
        steps = self.steps()
        if len(steps) < 2:
            return None
        frames = []
        for each in steps:
            with Image.open(self._file(each)) as picture:
                frames.append(picture.convert("RGB"))
        size = (max(frame.width for frame in frames), max(frame.height for frame in frames))
        return moving([_on_paper(frame, size) for frame in frames])  # a longer title may make one wider

    def _thin(self) -> None:
        steps = self.steps()
        if len(steps) > MOST:
            for step in steps[1:-1:2]:
                self._file(step).unlink(missing_ok=True)

    def _file(self, step: int) -> Path:
        return self._folder / f"{step:07}.png"


def moving(frames: Sequence[Image.Image]) -> bytes:
    """Return frames of one size as a GIF that repeats, of a bounded number of bytes."""
    while True:
        content = _gif(frames)
        if len(content) <= MOST_BYTES or min(frames[0].size) < TILE:
            return content
        size = (frames[0].width * 3 // 4, frames[0].height * 3 // 4)
        frames = [frame.resize(size, Image.Resampling.BOX) for frame in frames]


def _on_paper(frame: Image.Image, size: tuple[int, int]) -> Image.Image:
    paper = Image.new("RGB", size, "white")
    paper.paste(frame)
    return paper


def _together(frames: Sequence[Image.Image]) -> Image.Image:
    width, height = frames[0].size
    whole = Image.new("RGB", (width, height * len(frames)))
    for number, frame in enumerate(frames):
        whole.paste(frame, (0, number * height))
    return whole


def _gif(frames: Sequence[Image.Image]) -> bytes:
    # The same colours for all: a palette for each would make what stands still flicker.
    palette = _together(frames).quantize(255, Image.Quantize.MEDIANCUT)
    first, *rest = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    times = [SHOWN] * len(rest) + [SHOWN_LAST]
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=times, loop=0, optimize=True)
    return buffer.getvalue()
