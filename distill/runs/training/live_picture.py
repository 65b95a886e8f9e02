"""The picture of a run while it goes on."""

import io
import logging
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from kerneldistill.pipeline.storage.files import write_whole

LOG = logging.getLogger(__name__)

# Most of a run's time that drawing may take.
PART = 0.05


class LivePicture:
    """A PNG file of the newest images; drawn when they are saved, as long as drawing takes little of the time.

    Args:
      file: replaced whole each time.
      clock: seconds, for tests.
    """

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._next = clock()

    def show(self, draw: Callable[[], Image.Image]) -> None:
        """Draw the picture, unless less than 1 / `PART` times the seconds of the last one have passed since."""
        began = self._clock()
        if began < self._next:
            return
        buffer = io.BytesIO()
        draw().save(buffer, format="PNG")
        try:
            write_whole(self._file, buffer.getvalue())
        except OSError as error:  # no reason to end a run
            LOG.warning("%s could not be written: %s", self._file, error.strerror)
        ended = self._clock()
        self._next = ended + (ended - began) / PART
