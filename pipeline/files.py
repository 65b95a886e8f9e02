"""Files that are either whole or absent: temporary name, fsync, rename."""

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterator

from etils import epath


@contextlib.contextmanager
def whole(path: epath.Path) -> Iterator[epath.Path]:
    """Gives a temporary path beside `path`; on a clean exit its content is on disk and under the name `path`.

    Beam may run an element twice or on two workers at once: each writes a name of its own and the last rename wins.
    """
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}"
    try:
        yield temporary
        fsync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: epath.Path, content: bytes) -> None:
    """Writes `content` to `path`, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_bytes(content)


def sha256(path: epath.Path) -> str:
    """Hex digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync(path: epath.Path) -> None:
    """Waits until a file's content, or a folder's list of names, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
