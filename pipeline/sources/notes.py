"""What sources say of what they guessed and left out."""

import functools
import logging

_log = logging.getLogger(__name__)


@functools.cache
def note(text: str, level: int = logging.INFO) -> None:
    """Log a text, once: a data set is opened several times before it is read."""
    _log.log(level, "%s", text)
