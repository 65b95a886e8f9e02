"""Retry storage and network inside the worker: Beam's in-memory runner retries nothing, others whole bundles."""

import errno
import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

ATTEMPTS = 5
_FIRST_PAUSE_S = 0.2
_FACTOR = 3.0
# Asking again does not help.
_PERMANENT = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
_PERMANENT_CODES = {errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.ENAMETOOLONG, errno.EFBIG}
_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


def retry(action: Callable[[], Answer], what: str, pause: Callable[[float], None] = time.sleep) -> Answer:
    """Run `action`; while storage or network fail, again after 0.2, 0.6, 1.8 and 5.4 s. It must be safe to repeat.

    Half of each pause is random, so that a thousand workers do not all return at once to a busy server.

    Raises:
      OSError: the last failure, after 5 attempts; at once when another attempt cannot help (no such file, disk full).
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return action()
        except OSError as error:
            if not is_transient(error):
                raise
            seconds = _FIRST_PAUSE_S * _FACTOR ** (attempt - 1) * random.uniform(0.5, 1.0)
            _log.warning("%s failed (%s), attempt %d of %d; again in %.1f s", what, error, attempt, ATTEMPTS, seconds)
            pause(seconds)
    return action()


def is_transient(error: OSError) -> bool:
    """Whether the error may be gone a moment later."""
    return not isinstance(error, _PERMANENT) and error.errno not in _PERMANENT_CODES
