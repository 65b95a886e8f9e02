"""Read zip archives of strangers (.npz, .pt) within limits, comparing every checksum.

A member is read only if what the directory declares of it is within the limits, and never beyond what is declared: it
is unpacked piece by piece, and `zipfile` compares the CRC32 where the declared size ends. So a flipped bit of its
content is always found, and a bomb is no larger than it says.
"""

import contextlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO

from etils import epath

from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.untrusted.file import opened
from kerneldistill.pipeline.untrusted.limits import FREE_RATIO_BYTES, MAX_BYTES, MAX_MEMBERS, MAX_RATIO

_PIECE = 1 << 20
# A directory of `MAX_MEMBERS` long names is far smaller; `zipfile` reads it in one piece.
_AT_ONCE = 1 << 22


class _Pieces:
    """A file of which no more than `_AT_ONCE` bytes are read at once, whatever size the archive claims."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(_AT_ONCE + 1 if size < 0 else min(size, _AT_ONCE + 1))
        if len(content) > _AT_ONCE:
            raise DataError("its directory is larger than that of any distilled set")
        return content


@contextlib.contextmanager
def open_archive(path: epath.PathLike) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive, its directory bounded; what goes wrong inside the block counts as damage.

    Raises:
      DataError: it cannot be opened, or is damaged.
    """
    try:
        with opened(path) as file, zipfile.ZipFile(_Pieces(file)) as archive:
            yield archive
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): name a file that can") from error
    except Exception as error:  # of any class: it depends on the byte that is damaged
        raise DataError(f"{path} is damaged ({first_line(error)}): restore the file") from error


def member_names(path: epath.PathLike) -> list[str]:
    """Return the names of the members of an archive."""
    with open_archive(path) as archive:
        return archive.namelist()


def read_archive(
    path: epath.PathLike, wanted: Callable[[str], bool] = lambda name: True, most: int = MAX_BYTES
) -> Mapping[str, bytes | memoryview]:
    """Read the members of a zip archive, by name: large ones as views of the memory they were unpacked into.

    Args:
      path: of the archive.
      wanted: whether a member of a name is read; the limits are for all.
      most: bytes that all members may have.

    Raises:
      DataError: it has too many members, two of one name, one that is too large or shrinks too much, or one that is
        not stored or deflated; or it is damaged.
    """
    with open_archive(path) as archive:
        members = archive.infolist()
        _check(members, str(path), most)
        return {member.filename: unpacked(archive, member) for member in members if wanted(member.filename)}


def unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | memoryview:
    """Unpack one member. `ZipFile.read` would inflate all there is before it cuts at the declared size."""
    with archive.open(member) as stream:
        if member.file_size <= _AT_ONCE:
            return stream.read(member.file_size)
        content, place = memoryview(bytearray(member.file_size)), 0
        while piece := stream.read(_PIECE):
            content[place : place + len(piece)] = piece
            place += len(piece)
    if place < member.file_size:
        raise DataError(f"{member.filename!r} ends before it should: it is damaged")
    return content


def _check(members: list[zipfile.ZipInfo], name: str, most: int) -> None:
    if len(members) > MAX_MEMBERS:
        raise DataError(f"{name} has {len(members):,} members, allowed are {MAX_MEMBERS:,}: it is no distilled set")
    if len({member.filename for member in members}) < len(members):
        raise DataError(f"{name} has two members of one name, so it is ambiguous: write it again")
    if (total := sum(member.file_size for member in members)) > most:
        raise DataError(f"{name} unpacks to {total:,} bytes, allowed are {most:,}: a distilled set is smaller")
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{name}: {member.filename!r} is neither stored nor deflated: write it with numpy or torch")
        if member.file_size > max(FREE_RATIO_BYTES, MAX_RATIO * member.compress_size):
            raise DataError(
                f"{name}: {member.filename!r} unpacks {member.compress_size:,} bytes to {member.file_size:,}, allowed "
                f"is {MAX_RATIO} times as many: learned images do not shrink like this"
            )
