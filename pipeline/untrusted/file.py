"""Open a file whose name a user or a stranger gave: a regular one, of bounded size, or it is refused at once.

A fifo would wait for ever, /dev/zero never end; a folder in the place of a file is common enough.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.untrusted.limits import MAX_BYTES
from kerneldistill.pipeline.untrusted.names import printable

if TYPE_CHECKING:
    from etils import epath

_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


class NotAFileError(OSError):
    """There is a folder, a pipe or a device in the place of a file."""


@contextlib.contextmanager
def opened(path: "epath.PathLike") -> Iterator[IO[bytes]]:
    """Open a regular file, or an object at a URL, to read its bytes.

    Raises:
      NotAFileError: it is a folder, a pipe or a device.
      OSError: it cannot be opened.
    """
    if "://" in os.fspath(path):
        from etils import epath  # help reads no URL, and should not wait for what does

        with epath.Path(path).open("rb") as file:
            yield file
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
        if kind != stat.S_IFREG:
            raise NotAFileError(errno.EINVAL, f"it is {_KINDS.get(kind, 'a device')}, not a file", os.fspath(path))
        with open(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_bounded(path: "epath.PathLike", most: int = MAX_BYTES) -> bytes:
    """Return the content of a file of at most `most` bytes.

    Raises:
      DataError: it cannot be read, is no regular file, or is larger.
    """
    name = printable(os.fspath(path))
    try:
        with opened(path) as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        reason = getattr(error, "strerror", None) or first_line(error)
        raise DataError(f"{name} cannot be read ({reason}): name a file that can") from error
    if len(content) > most:
        raise DataError(f"{name} has more than {most:,} bytes, which is the most that is read: name another file")
    return content
