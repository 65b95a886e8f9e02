"""What the pages of a parquet unpack to, by their own headers: the sizes in its metadata are not believed.

pyarrow unpacks a page to whatever its header says, up to 2 GiB, and shows no header. A header is a struct of Thrift's
compact protocol (Apache Thrift's doc/specs/thrift-compact-protocol.md), PageHeader of parquet-format's parquet.thrift.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, NamedTuple

from kerneldistill.pipeline.untrusted.limits import MAX_PICKLE_BYTES

# Of a header: it may hold the least and the largest value of a column.
_MAX_HEADER = 1 << 20
# Fields of PageHeader, and in it those of DataPageHeader and DataPageHeaderV2, which begin with the number of values.
_UNPACKED, _PACKED, _DATA, _DATA_2 = 2, 3, 5, 8
# Types of Thrift's compact protocol.
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_NUMBERS = (4, 5, 6)


class Pages(NamedTuple):
    """The pages of one column in one row group.

    chunk: what pyarrow says of it
    unpacked: bytes of each, unpacked
    values: of all of them, absent ones included
    """

    chunk: Any
    unpacked: Sequence[int]
    values: int


def open_parquet(file: Any) -> Any:
    """Open a file as pyarrow's, its metadata within limits."""
    import pyarrow.parquet as pq

    limits: Mapping[str, Any] = {
        "thrift_string_size_limit": MAX_PICKLE_BYTES,
        "thrift_container_size_limit": MAX_PICKLE_BYTES,
    }
    return pq.ParquetFile(file, page_checksum_verification=True, **limits)


def pages_of(file: IO[bytes], columns: Sequence[str], begin: int = 0) -> Iterator[list[Pages]]:
    """Yield the pages of some columns, for each row group from number `begin` on; none of a group without rows.

    Asked for what it says of a column whose metadata are damaged, pyarrow (25.0) aborts the process; asked for rows of
    it, it raises. So it is asked for rows first, in a file that no longer gives any.

    Raises:
      ValueError: a header is damaged.
    """
    sealable = _Sealable(file)
    found = open_parquet(sealable)
    meta, sealable.sealed = found.metadata, True
    read = [c for c in range(meta.num_columns) if meta.schema.column(c).path.split(".")[0] in columns]
    for group in range(begin, meta.num_row_groups):
        try:
            next(found.iter_batches(1, [group], list(columns)), None)
        except _SealedError:
            yield [_pages(file, meta.row_group(group).column(column)) for column in read]
        else:
            yield []


def _pages(file: IO[bytes], chunk: Any) -> Pages:
    """Read the headers of a column's pages."""
    begin = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < begin:
        begin = chunk.dictionary_page_offset
    place, end = begin, begin + chunk.total_compressed_size
    unpacked, values = [], 0
    while place < end:
        header = _Header(file, place)
        fields = header.struct()
        size, packed = fields.get(_UNPACKED), fields.get(_PACKED)
        if not (isinstance(size, int) and isinstance(packed, int) and size >= 0 and packed >= 0):
            raise ValueError("a page has no size")
        unpacked.append(size)
        for name in (_DATA, _DATA_2):
            if isinstance(own := fields.get(name), dict) and isinstance(number := own.get(1), int):
                values += number
        place = header.place + packed
    return Pages(chunk, unpacked, values)


class _SealedError(Exception):
    """What a sealed file raises."""


class _Sealable:
    """A file that can be closed to readers while it stays open."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.sealed, self.closed = file, False, False
        self.seek, self.tell, self.readable = file.seek, file.tell, file.readable

    def read(self, size: int = -1) -> bytes:
        if self.sealed:
            raise _SealedError
        return self._file.read(size)

    def close(self) -> None:
        """Leave the file to whom it is of."""


class _Header:
    """A header that begins at a place of a file. place: after what is read of it."""

    def __init__(self, file: IO[bytes], place: int) -> None:
        self._file, self._begin = file, place
        file.seek(place)

    @property
    def place(self) -> int:
        return self._file.tell()

    def struct(self) -> dict[int, Any]:
        """Read a struct: numbers and structs in it by their fields, and nothing of the rest."""
        fields: dict[int, Any] = {}
        name = 0
        while kind := self._byte():
            name = name + (kind >> 4) if kind >> 4 else self._number()
            if name in fields:
                raise ValueError("a page says something twice")
            fields[name] = self._value(kind & 15, inside=False)
        return fields

    def _value(self, kind: int, inside: bool) -> Any:
        """Read a value, which stands in a list or in a struct."""
        if kind in _NUMBERS:
            return self._number()
        if kind == _STRUCT:
            return self.struct()
        if kind in (_TRUE, _FALSE):  # in a struct the type is the value
            self._skip(inside)
        elif kind == _BYTE:
            self._skip(1)
        elif kind == _DOUBLE:
            self._skip(8)
        elif kind == _BINARY:
            self._skip(self._varint())
        elif kind in (_LIST, _SET):
            head = self._byte()
            for _ in range(head >> 4 if head >> 4 < 15 else self._varint()):
                self._value(head & 15, inside=True)
        else:
            raise ValueError("a page has a header of another kind")
        return None

    def _number(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a page has a number that is too long")

    def _byte(self) -> int:
        found = self._file.read(1)
        if not found or self.place - self._begin > _MAX_HEADER:
            raise ValueError("a page has a header that does not end")
        return found[0]

    def _skip(self, count: int) -> None:
        self._file.seek(count, os.SEEK_CUR)
