"""Bring a `DataError`, or an error of the system such as a full disk, from a Beam worker back to the launcher.

Each runner wraps a worker's exception differently (another type, a traceback as text, a state). So the worker leaves
the message in the staging folder, which both see.
"""

import contextlib
import logging
from collections.abc import Iterator

from etils import epath

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.storage.files import write_whole

_FAILURE = "failure.txt"


@contextlib.contextmanager
def reported(staging: epath.Path) -> Iterator[None]:
    """On a worker: leave the message of such an error for the launcher, and raise it again to stop the pipeline."""
    try:
        yield
    except (DataError, OSError) as error:
        with contextlib.suppress(OSError):  # there may be no room for it
            write_whole(staging / _FAILURE, str(error).encode())
        raise


@contextlib.contextmanager
def raised_here(staging: epath.Path) -> Iterator[None]:
    """In the launcher: raise the worker's error in place of what the runner makes of it.

    Raises:
      DataError: of a worker, or what an error of the system said on one in another process.
      OSError: of a worker in this process.
    """
    # Beam's in-process workers log the error with its traceback; one line of it is about to be raised.
    beam_log = logging.getLogger("apache_beam.runners.common")
    beam_log.addFilter(_not_told_below)
    try:
        yield
    except Exception as error:
        path = staging / _FAILURE
        if (system := _system_error(error)) is not None:
            raise system from None
        if path.exists():
            raise DataError(path.read_text()) from error
        raise
    finally:
        beam_log.removeFilter(_not_told_below)


def _system_error(error: BaseException | None) -> OSError | None:
    """Find the error that a runner in this process has wrapped, with its number and its file."""
    while error is not None:
        if isinstance(error, OSError) and error.errno:
            return error
        error = error.__cause__ or error.__context__
    return None


def _not_told_below(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], DataError | OSError))
