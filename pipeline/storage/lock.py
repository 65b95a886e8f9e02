"""A lock that says who has it: the system drops it with its process, however that ends, so none is ever stale."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kerneldistill.pipeline.errors import InUseError


@contextmanager
def held(file: Path, refusal: str, keep: bool = False) -> Iterator[None]:
    """Hold the lock of a file until the block ends; the file tells the process and its machine.

    Args:
      file: made; removed in the end unless `keep`
      refusal: what to say to another process, with `{holder}` where the one that has it goes

    Raises:
      InUseError: another process has it.
    """
    descriptor = _taken(file, refusal)
    try:
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        except OSError as error:  # a full disk names no file
            error.filename = os.fspath(file)
            raise
        try:
            yield
        finally:
            if not keep:
                file.unlink(missing_ok=True)
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _taken(file: Path, refusal: str) -> int:
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last holder may have removed it after it was opened here: then it locks nobody out.
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except BlockingIOError as error:
            said = os.read(descriptor, 300).decode(errors="replace").split()
            os.close(descriptor)
            raise InUseError(refusal.format(holder=f"process {' on '.join(said) or '(unknown)'}")) from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
