"""The lock of a run directory: only one process writes there at a time. Its file stays, and says who has it."""

import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kerneldistill.pipeline.storage.lock import held

# Every flock on this machine, on Linux: "1: FLOCK  ADVISORY  WRITE PID MAJOR:MINOR:INODE 0 EOF".
_LOCKS = Path("/proc/locks")


class Holder(NamedTuple):
    """Who has a lock.

    pid: of the process
    host: the machine it is on
    certain: False on another host, where liveness cannot be checked
    """

    pid: int
    host: str
    certain: bool


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder until the block ends.

    Raises:
      UserError: another process has it.
    """
    refusal = f"{folder} is in use by {{holder}}: wait until it ends, or choose another --dir"
    with held(_file(folder), refusal, keep=True):
        yield


def holder(folder: Path) -> Holder | None:
    """Find who has the lock of a folder, without touching it; None if nobody has."""
    file = _file(folder)
    try:
        pid, host = file.read_text(encoding="utf-8").split()
        named = Holder(int(pid), host, certain=host == socket.gethostname())
    except (OSError, ValueError):  # no such file, or empty: its last holder ended well
        return None
    return named if not named.certain or _holds(named.pid, file) else None


def _holds(pid: int, file: Path) -> bool:
    with contextlib.suppress(OSError):  # no Linux
        inode = str(file.stat().st_ino)
        held = [line.split() for line in _LOCKS.read_text(encoding="utf-8").splitlines()]
        return any(line[1] == "FLOCK" and line[4] == str(pid) and line[5].endswith(f":{inode}") for line in held)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, so not ours
        return False
    return True


def _file(folder: Path) -> Path:
    return folder / ".lock"
