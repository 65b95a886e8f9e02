"""Bring a `DataError` raised on a Beam worker back to the launcher.

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
    """On a worker: leave the message of a `DataError` for the launcher, and raise it again to stop the pipeline."""
    try:
        yield
    except DataError as error:
        write_whole(staging / _FAILURE, str(error).encode())
        raise


@contextlib.contextmanager
def raised_here(staging: epath.Path) -> Iterator[None]:
    """In the launcher: turn whatever the runner raises into the worker's `DataError`, if it left one."""
    # Beam's in-process workers log the error with its traceback; one line of it is about to be raised.
    beam_log = logging.getLogger("apache_beam.runners.common")
    beam_log.addFilter(_not_data_error)
    try:
        yield
    except Exception as error:
        path = staging / _FAILURE
        if path.exists():
            raise DataError(path.read_text()) from error
        raise
    finally:
        beam_log.removeFilter(_not_data_error)


def _not_data_error(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], DataError))
