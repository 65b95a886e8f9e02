"""What Label Solve has of the targets so far, in a file, so that hours of it survive a stop."""

import hashlib
import io
import time
from pathlib import Path

import numpy as np

from kerneldistill.algorithms.least_squares import triangle_of
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.runtime.distributed import collectives

# Seconds between two writes: of 500 images 2 MB and 10 ms.
_EACH = 60.0


class KeptTriangle:
    """The triangle of the first chunks of all processes' targets, which process 0 keeps.

    Args:
      path: of the file
      images: [s, h, w, c] whose labels are solved for; a triangle of others is not taken up
      chunks: how many there are in each process; neither is one of others
    """

    def __init__(self, path: Path, images: np.ndarray, chunks: int) -> None:
        self._path = path
        self._of = f"{hashlib.sha256(images.tobytes()).hexdigest()} {chunks} {collectives.count()}"
        self._kept_at = time.monotonic()

    def begun(self, columns: int) -> tuple[int, np.ndarray]:
        """How many chunks of each process are done, and this one's part [columns, columns] of their triangle."""
        triangle = np.zeros((columns, columns))

        def read() -> int:
            # A file that is lost or damaged costs no more than beginning anew.
            try:
                with np.load(io.BytesIO(self._path.read_bytes())) as file:
                    if str(file["of"]) != self._of:
                        return 0
                    triangle[:] = file["triangle"]
                    return int(file["done"])
            except Exception:  # of any class: it depends on the byte that is damaged
                triangle[:] = 0
                return 0

        return collectives.from_first(read), triangle

    def keep(self, done: int, triangle: np.ndarray) -> None:
        """Write that so many chunks of each process are done, where a minute has passed."""
        if not collectives.any_of(collectives.index() == 0 and time.monotonic() - self._kept_at > _EACH):
            return
        whole = triangle_of(*collectives.all_gather(triangle))
        buffer = io.BytesIO()
        np.savez(buffer, of=self._of, done=done, triangle=whole)
        collectives.from_first(lambda: write_whole(self._path, buffer.getvalue()))
        self._kept_at = time.monotonic()
