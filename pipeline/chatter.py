"""What child processes and C++ libraries write to this process's standard streams, kept from the user.

Beam's workers log every connection there, gloo every peer. Python's own `sys.stdout` and `sys.stderr` speak on.
"""

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from kerneldistill.errors import UserError

# Of what was kept from the user, what is told after all where a fault of the program ends the block.
_LAST = 4000


@contextlib.contextmanager
def muffled() -> Iterator[None]:
    """Keep from the user what others write to the descriptors of the standard streams until the block ends.

    Where the standard streams are somebody else's, as in a notebook, they stay as they are.
    """
    with contextlib.ExitStack() as stack, tempfile.TemporaryFile() as heard:
        for name, descriptor in (("stdout", 1), ("stderr", 2)):
            if _descriptor_of(name) == descriptor:
                stack.enter_context(_diverted(name, descriptor, heard))
        try:
            yield
        except (UserError, OSError):
            raise
        except Exception:
            stack.close()
            _tell_last(heard)
            raise


def _descriptor_of(name: str) -> int | None:
    try:
        return getattr(sys, name).fileno()
    except (AttributeError, OSError, ValueError):  # there is none
        return None


@contextlib.contextmanager
def _diverted(name: str, descriptor: int, to: BinaryIO) -> Iterator[None]:
    """Send what is written to a descriptor elsewhere; Python's stream, and the logging on it, goes where it went."""
    own = getattr(sys, name)
    own.flush()
    kept = os.dup(descriptor)
    speaking = open(kept, "w", buffering=1, encoding=own.encoding, errors=own.errors)  # noqa: SIM115
    handlers = [each for each in logging.getLogger().handlers if getattr(each, "stream", None) is own]
    os.dup2(to.fileno(), descriptor)
    setattr(sys, name, speaking)
    for handler in handlers:
        handler.setStream(speaking)  # pyright: ignore[reportAttributeAccessIssue]  # it has a stream
    try:
        yield
    finally:
        os.dup2(kept, descriptor)
        setattr(sys, name, own)
        for handler in handlers:
            handler.setStream(own)  # pyright: ignore[reportAttributeAccessIssue]
        speaking.close()


def _tell_last(heard: BinaryIO) -> None:
    heard.seek(max(0, heard.seek(0, os.SEEK_END) - _LAST))
    sys.stderr.write(heard.read().decode(errors="replace"))
