"""Rows of a parquet or of an Arrow stream of a stranger, a few at a time.

A record batch is validated before anything is read of it, as Arrow asks for what it does not trust. A row group
of a parquet may unpack to `_MAX_GROUP`, a page of it to `MAX_PAGE`, by the headers of its pages. A stream must not be
packed, as `datasets` never packs one: so it is no larger in memory than on disk, where it is mapped.
"""

import contextlib
import json
import mmap
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.untrusted.file import opened
from kerneldistill.pipeline.untrusted.names import printable
from kerneldistill.pipeline.untrusted.parquet_pages import Pages, open_parquet, pages_of

# Of a row group of a parquet, and of a page of it, unpacked. Those that are written by default have about a megabyte.
_MAX_GROUP = 1 << 30
MAX_PAGE = 1 << 28
# Rows that are decoded at once, of images perhaps a megabyte each.
_ROWS = 64
_PARQUET = b"PAR1"
# Place of `compression` in the table RecordBatch of Arrow's Message.fbs.
_COMPRESSION = 3


def described(path: str) -> tuple[Any, int]:
    """Return pyarrow's schema of a file, and its number of rows.

    Raises:
      DataError: it is damaged, or neither a parquet nor an Arrow stream.
    """
    with _opened(path) as (file, is_parquet):
        if is_parquet:
            found = open_parquet(file)
            schema, rows = found.schema_arrow, found.metadata.num_rows
        else:
            schema, batches = _stream(file, path)
            rows = sum(batch.num_rows for batch in batches)
        "".join(schema.names)  # they may not be UTF-8
        return schema, rows


def features_of(schema: Any) -> Mapping[str, Any]:
    """Return what `datasets` says of the columns, by name; nothing where it says nothing."""
    try:
        said = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def read_rows(path: str, columns: Sequence[str], start: int, stop: int) -> Iterator[tuple[Any, ...]]:
    """Yield the cells of some columns in the rows start..stop-1.

    Raises:
      DataError: the file is damaged, or unpacks to too much.
    """
    with _opened(path) as (file, is_parquet):
        parts = _row_groups(file, path, columns, start) if is_parquet else _numbered(_stream(file, path)[1])
        for first, batch in parts:
            if first >= stop:
                return
            if first + batch.num_rows > start:
                part = batch.slice(max(0, start - first), min(stop, first + batch.num_rows) - max(start, first))
                part.validate(full=True)
                yield from zip(*(part.column(name).to_pylist() for name in columns), strict=True)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[tuple[Any, bool]]:
    """Open a file, and tell whether it is a parquet; what goes wrong inside the block counts as damage."""
    try:
        with opened(path) as file:
            is_parquet = file.read(4) == _PARQUET
            file.seek(0)
            yield file, is_parquet
    except DataError:
        raise
    except Exception as error:  # of any class: it depends on the byte that is damaged
        raise DataError(f"{printable(path)} is damaged ({printable(first_line(error))[:200]}): restore it") from error


def _row_groups(file: Any, path: str, columns: Sequence[str], start: int) -> Iterator[tuple[int, Any]]:
    """Yield the batches of a parquet from the row group of row `start` on, with their first rows."""
    found, first = open_parquet(file), 0
    schema = found.metadata.schema
    if any(schema.column(c).max_repetition_level for c in range(len(schema)) if _root(schema, c) in columns):
        raise DataError(f"{printable(path)}: a column holds lists; allowed are pictures as bytes, and labels")
    rows = [found.metadata.row_group(number).num_rows for number in range(found.metadata.num_row_groups)]
    number = 0
    while number < len(rows) and first + rows[number] <= start:
        first, number = first + rows[number], number + 1
    for group, pages in enumerate(pages_of(file, columns, number), number):
        begin = first
        for batch in found.iter_batches(_rows_at_once(pages, path), [group], list(columns)):
            yield first, batch
            first += batch.num_rows
        if first - begin != rows[group]:  # pyarrow passes over pages of a kind that it does not know
            raise DataError(
                f"{printable(path)} is damaged (it lists {rows[group]:,} rows in row group {group} and holds "
                f"{first - begin:,}): restore it"
            )


def _root(schema: Any, column: int) -> str:
    return schema.column(column).path.split(".")[0]


def _rows_at_once(pages: Sequence[Pages], path: str) -> int:
    """Return how many rows may be decoded at once. A cell may be as large as a page: a dictionary's are repeated."""
    largest = max((size for column in pages for size in column.unpacked), default=0)
    group = sum(size for column in pages for size in column.unpacked)
    if largest > MAX_PAGE or group > _MAX_GROUP:
        raise DataError(
            f"{printable(path)} has a row group that unpacks to {group:,} bytes and a page of {largest:,}, allowed are "
            f"{_MAX_GROUP:,} and {MAX_PAGE:,}: write it with smaller row groups"
        )
    return max(1, min(_ROWS, MAX_PAGE // max(1, largest)))


def _stream(file: Any, path: str) -> tuple[Any, Iterator[Any]]:
    """Return the schema and the batches of an Arrow stream, in the memory that maps the file."""
    import pyarrow as pa

    reader = pa.ipc.MessageReader.open_stream(pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    schema = pa.ipc.read_schema(next(reader))

    def batches() -> Iterator[Any]:
        for message in reader:
            if message.type != "record batch" or _is_packed(bytes(message.metadata)):
                raise DataError(f"{printable(path)} is packed or has a dictionary: write it with save_to_disk")
            yield pa.ipc.read_record_batch(message, schema)

    return schema, batches()


def _numbered(batches: Iterator[Any]) -> Iterator[tuple[int, Any]]:
    first = 0
    for batch in batches:
        yield first, batch
        first += batch.num_rows


def _is_packed(message: bytes) -> bool:
    """Return whether a message of a record batch, which Arrow has verified, names a compression."""
    header = _field(message, struct.unpack_from("<I", message)[0], 2)
    if header is None:
        return False
    batch = header + struct.unpack_from("<I", message, header)[0]
    return _field(message, batch, _COMPRESSION) is not None


def _field(message: bytes, table: int, number: int) -> int | None:
    """Return the place of a field in a table of a flatbuffer; None where it is absent."""
    vtable = table - struct.unpack_from("<i", message, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", message, vtable)[0]:
        return None
    offset = struct.unpack_from("<H", message, vtable + 4 + 2 * number)[0]
    return table + offset if offset else None
