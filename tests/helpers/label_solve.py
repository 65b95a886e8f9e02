"""Label Solve that is stopped on the way."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np

from kerneldistill.algorithms.kept_triangle import KeptTriangle


class StoppedError(Exception):
    """Where it is stopped."""


@contextmanager
def stopped_after(chunks: int) -> Iterator[None]:
    """Stop each Label Solve after so many chunks of targets, once they are kept."""
    keep = KeptTriangle.keep

    def stopping(kept: KeptTriangle, done: int, triangle: np.ndarray) -> None:
        keep(kept, done, triangle)
        if done == chunks:
            raise StoppedError

    with patch.object(KeptTriangle, "keep", stopping):
        yield
