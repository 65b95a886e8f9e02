"""Prepared data sets that runs share: each in a folder named by its fingerprint, in the user's cache folder.

A run that needs one links to it, and prepares it where it is missing. An entry appears whole: of two processes that
need the same one, one prepares it and the other waits.
"""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from etils import epath

from kerneldistill.pipeline import Manifest
from kerneldistill.pipeline.errors import DataError, InUseError
from kerneldistill.pipeline.preparation import Identity, complete, prepare
from kerneldistill.pipeline.storage.files import names_below
from kerneldistill.pipeline.storage.publish import sole_writer
from kerneldistill.runtime import signals
from kerneldistill.runtime.console import tell
from kerneldistill.runtime.devices import cache_folder
from kerneldistill.runtime.progress import Activity

# Names the folder, in the environment.
NAMED = "KERNELDISTILL_PREPARED"
# Between two looks at what another process prepares.
_WAIT_SECONDS = 1.0


class Entry(NamedTuple):
    """A shared data set.

    path: its folder
    fingerprint: of the data set, the folder's name
    summary: what it is, or what is wrong with it
    bytes: that it takes
    used: seconds since the epoch at which a run began with it last
    """

    path: Path
    fingerprint: str
    summary: str
    bytes: int
    used: float


def shared_folder() -> Path | None:
    """Return where shared data are; None if every run keeps its own.

    `KERNELDISTILL_PREPARED` names it (default: `prepared` in the cache folder); if it is empty, nothing is shared.
    Neither is it where the user may not write to the cache folder, as in a container without a home.
    """
    named = os.environ.get(NAMED)
    if named is not None:
        return Path(named).expanduser().absolute() if named else None
    folder = cache_folder()
    return None if folder is None or not _may_write(folder.absolute()) else folder.absolute() / "prepared"


def _may_write(folder: Path) -> bool:
    """Return whether a folder can be written to, or be made."""
    while not os.path.exists(folder):
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


def shared(folder: Path, identity: Identity, options: Sequence[str], shown: Activity) -> tuple[Path, Manifest]:
    """Return the shared data set of an identity and its manifest; prepare it where it is missing or damaged.

    Args:
      folder: of all shared data sets
      identity: of the one
      options: of Beam
      shown: told how far it is

    Raises:
      DataError: see `kerneldistill.pipeline.preparation.prepare`.
      KeyboardInterrupt: this process was asked to stop.
    """
    path = folder / identity.fingerprint

    def made() -> Manifest:
        found = complete(epath.Path(path), identity.fingerprint, overwrite=True)
        return found or prepare(identity, path, options, True, shown.update)

    return path, _in_turn(made)


def _in_turn(make: Callable[[], Manifest]) -> Manifest:
    """Make it, or wait until the process has made it that is at it."""
    told = False
    while True:
        try:
            return make()
        except InUseError as error:
            if not told:
                tell(f"waiting for another process, which prepares the same data: {error}")
            told = True
            signals.poll()
            time.sleep(_WAIT_SECONDS)


def link(path: Path, target: Path) -> None:
    """Let `path`, a link or nothing, be a link to `target`, in one step; note that the target is used."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, path)
    try:
        os.utime(target)
    except OSError as error:  # it is somebody else's, or of a disk that is only read
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise


def entries(folder: Path) -> Iterator[Entry]:
    """Yield all shared data sets, that which was used last first."""
    there = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    # What a process that is at it, or was killed, has written beside an entry counts as a part of it.
    parts: dict[str, list[Path]] = {}
    for path in sorted(there, key=lambda path: -path.stat().st_mtime):
        parts.setdefault(path.name.split(".")[0], []).append(path)
    for fingerprint, paths in parts.items():
        try:
            summary = Manifest.load(folder / fingerprint).summary()
        except DataError:
            summary = "not complete: being prepared, or left by a process that was killed"
        size = sum((path / name).stat().st_size for path in paths for name in names_below(path))
        yield Entry(folder / fingerprint, fingerprint, summary, size, paths[0].stat().st_mtime)


def remove(entry: Entry) -> None:
    """Remove a shared data set; runs that used it prepare it again when they need it.

    Raises:
      InUseError: another process prepares it.
    """
    with sole_writer(epath.Path(entry.path)):
        if entry.path.is_dir():
            aside = entry.path.with_name(f"{entry.path.name}.staging-removed")
            os.replace(entry.path, aside)  # it is whole, or it is gone
            shutil.rmtree(aside)
