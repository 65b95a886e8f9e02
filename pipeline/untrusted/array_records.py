"""Read array_record files of strangers: no more is unpacked at once than is allowed.

The library unpacks a chunk as a whole, and all that a call asks for. So the headers of the chunks are read first, each
of 40 bytes: a hash of itself, size and hash of what follows, a byte for the kind, seven for the number of records, and
the size of the records unpacked. A header of 24 bytes begins every 64 kB of the file, in the middle of a chunk too
(riegeli's doc/riegeli_records_file_format.md). The library holds a chunk to what its header says.
"""

import os
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import IO, Any

from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.untrusted.file import opened
from kerneldistill.pipeline.untrusted.limits import MAX_BYTES
from kerneldistill.pipeline.untrusted.names import is_path, printable

_BLOCK, _BLOCK_HEADER = 1 << 16, 24
_HEADER = struct.Struct("<5Q")
# A signature, padding, and records one after the other. Transposed ones unpack to more than they say.
_KINDS = b"spr"
# For the end of each record.
_BYTES_A_RECORD = 8


class ArrayRecords:
    """The records of an array_record file, by their numbers."""

    def __init__(self, path: str | os.PathLike[str], most: int = MAX_BYTES) -> None:
        """Open a file.

        Args:
          path: of a file on this machine
          most: bytes that are unpacked at once, and that one chunk may have

        Raises:
          DataError: it cannot be read, is no array_record file, or has a chunk that is too large.
        """
        from array_record.python import array_record_module  # pyright: ignore[reportAttributeAccessIssue]  # compiled

        self._name, self._most = printable(os.fspath(path)), most
        if not is_path(os.fspath(path)):
            raise DataError(f"{self._name} has a name that is not UTF-8: rename the folder or the file")
        # Of each chunk, bytes unpacked, and how many records it and those before it have.
        self._sizes, self._ends = array("Q"), array("Q")
        try:
            with opened(path) as file:
                self._measure(file)
            self._reader: Any = array_record_module.ArrayRecordReader(os.fspath(path))
        except OSError as error:
            raise DataError(f"{self._name} cannot be read ({error.strerror}): name a file that can") from error
        except (RuntimeError, struct.error) as error:
            raise self._damaged(first_line(error)) from error
        if self._reader.num_records() != len(self):
            raise self._damaged(f"it lists {self._reader.num_records():,} records and holds {len(self):,}")

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def size(self) -> int:
        """Bytes of all records, unpacked."""
        return sum(self._sizes)

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield records start..stop-1, unpacking as many at once as `most` allows.

        Raises:
          DataError: they are not there, or damaged.
        """
        if not 0 <= start <= stop <= len(self):
            raise self._damaged(f"it holds {len(self):,} records, wanted are those from {start} to {stop - 1}")
        while start < stop:
            end = self._fitting(start, stop)
            try:
                yield from self._reader.read(start, end)
            except (RuntimeError, IndexError, ValueError) as error:
                raise self._damaged(first_line(error)) from error
            start = end

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _fitting(self, start: int, stop: int) -> int:
        """Return where a call that begins at `start` ends."""
        chunk = bisect_right(self._ends, start)
        size = self._sizes[chunk]
        while self._ends[chunk] < stop and size + self._sizes[chunk + 1] <= self._most:
            chunk += 1
            size += self._sizes[chunk]
        return min(stop, self._ends[chunk])

    def _measure(self, file: IO[bytes]) -> None:
        """Read the headers of all chunks."""
        begin, size = 0, file.seek(0, os.SEEK_END)
        while begin < size:
            header, content = _read_header(file, begin)
            _, packed, _, kind, unpacked = _HEADER.unpack(header)
            records = kind >> 8
            if kind & 0xFF not in _KINDS:
                raise self._damaged("a chunk of it is neither records nor padding")
            if kind & 0xFF == ord("r"):
                self._add(records, unpacked + _BYTES_A_RECORD * records)
            # Every record has a place of its own in the file.
            begin = _chunk_begin(max(_after(content, packed), begin + records))
        # The last two are about the others.
        del self._sizes[-2:], self._ends[-2:]

    def _add(self, records: int, size: int) -> None:
        if size > self._most:
            raise DataError(
                f"{self._name} has {size:,} bytes in one chunk, unpacked; allowed are {self._most:,}: write it with "
                "fewer records a chunk (group_size:1)"
            )
        self._sizes.append(size)
        self._ends.append(len(self) + records)

    def _damaged(self, reason: str) -> DataError:
        return DataError(f"{self._name} is damaged ({printable(reason)[:200]}): restore the file")


def _read_header(file: IO[bytes], begin: int) -> tuple[bytes, int]:
    """Return the header of the chunk that begins there, and the place after it."""
    content = b""
    while missing := _HEADER.size - len(content):
        if begin % _BLOCK == 0:
            begin += _BLOCK_HEADER
        file.seek(begin)
        part = file.read(min(missing, _BLOCK - begin % _BLOCK))
        if not part:
            break
        content, begin = content + part, begin + len(part)
    return content, begin


def _after(place: int, count: int) -> int:
    """Return the place `count` bytes later, headers of blocks apart."""
    if not count:
        return place
    inside = max(0, place % _BLOCK - _BLOCK_HEADER)
    blocks, rest = divmod(inside + count, _BLOCK - _BLOCK_HEADER)
    return place - place % _BLOCK + blocks * _BLOCK + (_BLOCK_HEADER + rest if rest else 0)


def _chunk_begin(place: int) -> int:
    """Return the first place from there on at which a chunk may begin."""
    return place + _BLOCK_HEADER - place % _BLOCK if 0 < place % _BLOCK < _BLOCK_HEADER else place
