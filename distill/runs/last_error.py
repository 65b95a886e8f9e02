"""The error that ended a session, for `kdistill status` to show later."""

import contextlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kerneldistill.pipeline.storage.files import write_whole


class Failure(NamedTuple):
    """An error.

    when: seconds since 1970
    error: its message, in one line
    """

    when: float
    error: str


@contextmanager
def failures_recorded(file: Path) -> Iterator[None]:
    """Remove the file, and write to it the error that ends the block. Interruptions are not recorded."""
    file.unlink(missing_ok=True)
    try:
        yield
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        # Where the disk is full, what is raised matters more than that it is not kept.
        with contextlib.suppress(OSError):
            write_whole(file, json.dumps(Failure(time.time(), text)._asdict()).encode())
        raise


def read_failure(file: Path) -> Failure | None:
    """Return the recorded error; None if there is none or it cannot be read."""
    try:
        return Failure(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
