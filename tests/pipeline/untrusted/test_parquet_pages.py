"""Pages of a parquet are what their headers say, and nothing else of it is believed."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.untrusted import arrow_rows
from kerneldistill.pipeline.untrusted.arrow_rows import read_rows
from kerneldistill.pipeline.untrusted.parquet_pages import pages_of

ROWS = 300


def written(path: Path, cell: bytes = bytes(1000), **options: object) -> Path:
    table = pa.table({"image": [cell] * ROWS, "label": list(range(ROWS))})
    pq.write_table(table, path, row_group_size=100, **{"compression": "zstd", **options})
    return path


def varint(number: int, length: int = 0) -> bytes:
    """A positive number as Thrift has it, in at least so many bytes."""
    parts = [2 * number >> shift & 127 for shift in range(0, max(7 * length, (2 * number).bit_length()), 7)]
    return bytes([*(part | 128 for part in parts[:-1]), parts[-1]])


@pytest.mark.parametrize(
    "options", [{}, {"use_dictionary": False}, {"data_page_version": "2.0"}, {"compression": "none"}]
)
@pytest.mark.parametrize("page", [500, 1 << 20])
def test_pages_are_as_the_metadata_of_an_honest_file_say(tmp_path: Path, options: dict[str, object], page: int) -> None:
    path = written(tmp_path / "x", data_page_size=page, write_page_checksum=True, write_statistics=False, **options)
    with path.open("rb") as file:
        groups = list(pages_of(file, ["image", "label"]))
        later = list(pages_of(file, ["label"], begin=2))
    assert [len(columns) for columns in groups] == [2, 2, 2]
    assert [len(columns) for columns in later] == [1]
    for columns in groups:
        for column in columns:
            heads = column.chunk.total_uncompressed_size - sum(column.unpacked)
            assert 0 < heads <= 100 * len(column.unpacked)
            assert column.values == 100


def test_what_lies_about_its_size_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "x", bytes(1 << 16), use_dictionary=False, data_page_size=1 << 30)
    content = path.read_bytes()
    size = int.from_bytes(content[-8:-4], "little") + 8
    body, foot = content[:-size], content[-size:]
    group = pq.ParquetFile(path).metadata.row_group(0)
    for number in (group.total_byte_size, group.column(0).total_uncompressed_size):
        said = varint(number)
        assert said in foot
        foot = foot.replace(said, varint(1000, len(said)))
    path.write_bytes(body + foot)
    assert pq.ParquetFile(path).metadata.row_group(0).total_byte_size == 1000
    monkeypatch.setattr(arrow_rows, "MAX_PAGE", 1 << 22)
    with pytest.raises(DataError, match=r"unpacks to 6,55\d,\d+ bytes and a page of 6,55\d,\d+, allowed"):
        list(read_rows(str(path), ["image", "label"], 0, 1))


def test_a_dictionary_that_is_repeated_is_unpacked_a_few_rows_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "x")
    asked: list[int] = []
    whole = arrow_rows._rows_at_once
    monkeypatch.setattr(arrow_rows, "_rows_at_once", lambda *given: asked.append(whole(*given)) or asked[-1])
    truth = [(bytes(1000), row) for row in range(ROWS)]
    assert list(read_rows(str(path), ["image", "label"], 0, ROWS)) == truth
    monkeypatch.setattr(arrow_rows, "MAX_PAGE", 3000)
    assert list(read_rows(str(path), ["image", "label"], 150, 250)) == truth[150:250]
    assert asked == [64, 64, 64, 2, 2]


def test_a_column_of_lists_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [[1, 2]], "label": [0]}), tmp_path / "x")
    with pytest.raises(DataError, match="a column holds lists; allowed are pictures as bytes, and labels"):
        list(read_rows(str(tmp_path / "x"), ["image", "label"], 0, 1))
    assert list(read_rows(str(tmp_path / "x"), ["label"], 0, 1)) == [(0,)]


def test_headers_that_are_damaged_end_in_one_error_or_in_rows(tmp_path: Path) -> None:
    path = written(tmp_path / "x", write_page_checksum=True, use_dictionary=False)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        broken = bytearray(content)
        broken[rng.integers(4, 60)] = rng.integers(256)
        path.write_bytes(broken)
        try:
            assert len(list(read_rows(str(path), ["image", "label"], 0, ROWS))) == ROWS
        except DataError as error:
            refused += 1
            assert str(error).startswith(f"{path} is damaged")  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
    assert refused > 100
