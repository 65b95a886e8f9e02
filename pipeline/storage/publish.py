"""Put a finished staging folder in the place of the output: a kill at any moment leaves the old one or the new."""

import contextlib
import ctypes
import errno
import glob
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from etils import epath

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.storage.files import fsync
from kerneldistill.pipeline.storage.lock import held
from kerneldistill.pipeline.storage.manifest import DEAD_LETTER, MANIFEST, PROBE, WHITENER
from kerneldistill.pipeline.untrusted.names import is_path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def check_output(path: epath.PathLike, marks: Collection[str] = (WHITENER, PROBE, DEAD_LETTER)) -> epath.Path:
    """Return the output folder, absolute, links followed.

    Args:
      path: of the folder
      marks: what is beside the manifest of what it may hold, which is replaced; by default of a prepared data set

    Raises:
      DataError: it holds something else, which would be replaced; or its name is no text.
    """
    if not is_path(os.path.abspath(path)):
        raise DataError(f"output {path} is not UTF-8, as the names of shards must be: give another folder")
    if "://" in str(path):
        raise DataError(f"output {path} is a URL; allowed: a folder on this machine or one that is mounted")
    out = epath.Path(path).expanduser().resolve()
    if out.exists() and not out.is_dir():
        raise DataError(f"output {out} is a file; give a folder that does not exist yet")
    there = {entry.name for entry in out.iterdir()} if out.exists() else set()
    # Any program may call a file manifest.json.
    if there and (MANIFEST not in there or (len(there) > 1 and there.isdisjoint(marks))):
        raise DataError(
            f"output {out} has files but no {MANIFEST} and {' or '.join(marks)}; it is not ours to replace: give "
            "another folder"
        )
    return out


@contextlib.contextmanager
def sole_writer(out: epath.Path) -> Iterator[None]:
    """Keep other processes from writing `out` until the block ends; clear away what killed ones left beside it.

    Raises:
      DataError: another process is writing it (InUseError), or nothing can be written beside it.
    """
    refusal = f"{out} is being written by {{holder}}; wait for it or end it"
    with contextlib.ExitStack() as stack:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(held(Path(out.parent / f".{out.name}.lock"), refusal))
        except OSError as error:
            raise DataError(f"cannot write beside the output {out} ({error.strerror}); give another folder") from error
        if _aside(out).exists() and not out.exists():
            os.rename(_aside(out), out)
        for leftover in out.parent.glob(f"{glob.escape(out.name)}.staging-*"):
            shutil.rmtree(leftover)
        yield


@contextlib.contextmanager
def staging_folder(out: epath.Path, fingerprint: str) -> Iterator[epath.Path]:
    """Make a fresh folder beside `out` to write into, as its `sole_writer`; remove it at the end, whatever happens."""
    staging = out.parent / f"{out.name}.staging-{fingerprint[:16]}"
    staging.mkdir(exist_ok=False)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def publish(staging: epath.Path, out: epath.Path) -> None:
    """Swap `staging` and `out`, or rename where there is no `out`, in one step."""
    fsync(staging)
    if out.exists() and any(out.iterdir()):
        _exchange(staging, out)
    else:
        os.rename(staging, out)
    fsync(out.parent)


def _exchange(left: epath.Path, right: epath.Path) -> None:
    """Swap two folders in one step, by Linux's renameat2."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return _exchange_by_renames(left, right)
    if renameat2(_AT_FDCWD, os.fsencode(left), _AT_FDCWD, os.fsencode(right), _RENAME_EXCHANGE) != 0:
        code = ctypes.get_errno()
        if code not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
            raise OSError(code, os.strerror(code), str(right))
        _exchange_by_renames(left, right)


def _exchange_by_renames(left: epath.Path, right: epath.Path) -> None:
    """Swap without renameat2. A kill after the first rename leaves `right` aside, for `sole_writer` to find."""
    os.rename(right, _aside(right))
    os.rename(left, right)
    os.rename(_aside(right), left)


def _aside(out: epath.Path) -> epath.Path:
    return out.parent / f"{out.name}.staging-previous"
