"""Write files whole or not at all: on disk by a temporary name, fsync and rename; at a URL as one object."""

import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterator

from etils import epath

from kerneldistill.pipeline.untrusted.file import opened

_CHUNK = 1 << 20


def is_remote(path: epath.PathLike) -> bool:
    """Whether `path` is a URL (gs://, s3://), which has no links, no locks, and no renaming of folders."""
    return "://" in os.fspath(path)


def absolute(path: epath.PathLike) -> epath.Path:
    """Return the path as workers elsewhere understand it; a URL stays as it is."""
    # Those of pathlib raise RuntimeError for a link to itself and for the home of nobody.
    return epath.Path(path) if is_remote(path) else epath.Path(os.path.realpath(os.path.expanduser(path)))


def names_below(folder: epath.PathLike) -> Iterator[str]:
    """Yield the relative names of all files below a folder; follow links to folders, each folder once."""
    if not is_remote(folder):
        seen: set[tuple[int, int]] = set()
        for parent, folders, files in os.walk(folder, followlinks=True):
            found = os.stat(parent)
            if (found.st_dev, found.st_ino) in seen:
                folders.clear()  # a link back, or a second one to the same
                continue
            seen.add((found.st_dev, found.st_ino))
            inside = os.path.relpath(parent, folder)
            yield from (os.path.normpath(f"{inside}/{name}") for name in files)
        return
    # fsspec leaves the scheme out of what it walks, TensorFlow does not.
    base = _without_scheme(folder)
    for parent, _, files in epath.Path(folder).walk():
        inside = _without_scheme(parent)[len(base) :]
        yield from (f"{inside}/{name}".strip("/") for name in files if name)


def _without_scheme(path: epath.PathLike) -> str:
    return os.fspath(path).split("://")[-1].strip("/")


@contextlib.contextmanager
def whole(path: epath.PathLike) -> Iterator[epath.Path]:
    """Yield a temporary local path; on a clean exit store its content under the name `path`.

    Beam may run an element twice or on two workers at once: each writes a name of its own, and the last one wins.
    """
    path = epath.Path(path)
    if is_remote(path):
        with tempfile.TemporaryDirectory() as scratch:
            temporary = epath.Path(scratch) / path.name
            yield temporary
            path.write_bytes(temporary.read_bytes())
        return
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}"
    try:
        yield temporary
        fsync(temporary)
        os.replace(temporary, path)
    except OSError as error:
        # What a user knows is `path`; writing to a full disk names no file at all.
        if error.filename in (None, os.fspath(temporary)):
            error.filename, error.filename2 = os.fspath(path), None
        raise
    finally:
        with contextlib.suppress(OSError):  # as where `path` is no folder: the error above says it
            temporary.unlink(missing_ok=True)


def write_whole(path: epath.PathLike, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def local(path: epath.Path) -> Iterator[str]:
    """Yield a local file with the content of `path`, for readers that know no URLs: itself, or a temporary copy."""
    if not is_remote(path):
        yield os.fspath(path)
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = epath.Path(scratch) / path.name
        copy.write_bytes(path.read_bytes())
        yield os.fspath(copy)


def kept_local(path: str) -> str:
    """Return a local file with the content of `path`; the copy of a URL is kept a while, to be read again."""
    return _copy(path).path if is_remote(path) else path


def forget_local() -> None:
    """Forget the kept copies: the files may have changed."""
    _copy.cache_clear()


class _Copy:
    """A local copy of a file at a URL, removed when nothing refers to it any more.

    path: of the copy
    """

    def __init__(self, url: str) -> None:
        folder = tempfile.mkdtemp(prefix="kerneldistill-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        copy = epath.Path(folder) / epath.Path(url).name
        copy.write_bytes(epath.Path(url).read_bytes())
        self.path = os.fspath(copy)


# A reader that has a copy open can go on reading after its removal.
_copy = functools.lru_cache(maxsize=16)(_Copy)


def sha256(path: epath.PathLike) -> str:
    """Return the hex digest of a file. Raises OSError if it is no regular file."""
    digest = hashlib.sha256()
    with opened(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def fsync(path: epath.Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on disk; at a URL there is nothing to wait for."""
    if is_remote(path):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
