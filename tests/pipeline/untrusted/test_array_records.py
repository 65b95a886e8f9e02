"""Records of a stranger's array_record file: as many in memory as is allowed, the same as the library reads."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from array_record.python import array_record_module

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.untrusted import array_records
from kerneldistill.pipeline.untrusted.array_records import ArrayRecords
from tests.helpers.peak_memory import resident_peak

COUNTS = {
    "group_size:1": 400,
    "group_size:7,brotli:5": 100,
    "group_size:65536": 200_000,
    "group_size:3,uncompressed": 50,
}


def fresh_peak() -> int:
    """Return the memory now, bytes, from which `resident_peak` counts again."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident_peak()


def write(path: Path, records: list[bytes], options: str = "group_size:1") -> Path:
    writer = array_record_module.ArrayRecordWriter(str(path), options)
    for record in records:
        writer.write(record)
    writer.close()
    return path


@pytest.mark.parametrize("options", COUNTS)
@pytest.mark.parametrize("size", [0, 3, 5000])
def test_what_is_read_in_parts_is_what_was_written(tmp_path: Path, options: str, size: int) -> None:
    rng = np.random.default_rng(size)
    count = COUNTS[options] if size < 5000 else min(COUNTS[options], 400)
    records = [rng.bytes(int(rng.integers(size + 1))) for _ in range(count)]
    path = write(tmp_path / "file", records, options)
    assert list(ArrayRecords(path).read(0, count)) == records
    assert ArrayRecords(path).size == sum(map(len, records)) + 8 * count
    start, stop = count // 3, count - 1
    tight = ArrayRecords(path)
    tight._most = max(tight._sizes)
    assert list(tight.read(start, stop)) == records[start:stop]


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    empty = ArrayRecords(write(tmp_path / "file", []))
    assert (len(empty), list(empty.read(0, 0))) == (0, [])
    with pytest.raises(DataError, match="holds 0 records, wanted are those from 0 to 0"):
        list(empty.read(0, 1))


def test_a_chunk_that_unpacks_to_too_much_is_refused_before_it_is(tmp_path: Path) -> None:
    bomb = write(tmp_path / "bomb", [bytes(100 << 20)] * 8, "group_size:8")
    assert bomb.stat().st_size < 1 << 18
    before = fresh_peak()
    with pytest.raises(DataError, match=r"838,860,8\d\d bytes in one chunk, unpacked; allowed are 536,870,912"):
        ArrayRecords(bomb)
    assert resident_peak() - before < 100 << 20


def test_many_chunks_are_not_in_memory_together(tmp_path: Path) -> None:
    file = ArrayRecords(write(tmp_path / "file", [bytes(10 << 20)] * 100), 30 << 20)
    before = fresh_peak()
    assert sum(map(len, file.read(0, 100))) == 1000 << 20
    assert resident_peak() - before < 200 << 20


def test_transposed_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a chunk of it is neither records nor padding"):
        ArrayRecords(write(tmp_path / "file", [b"a"] * 10, "group_size:10,transpose"))


def test_mutants_are_read_as_they_were_or_refused_in_a_line(tmp_path: Path) -> None:
    rng = np.random.default_rng()
    records = [rng.bytes(int(rng.integers(2000))) for _ in range(60)]
    content = write(tmp_path / "file", records, "group_size:4").read_bytes()
    used = len(content) - 65_400  # the rest is padding
    for number in range(300):
        mutant = bytearray(content)
        used = content.rindex(b"\x5e\xe0\xda\x4f") if b"\x5e\xe0\xda\x4f" in content else len(content)
        match number % 3:
            case 0:
                mutant[int(rng.integers(used))] ^= 1 << int(rng.integers(8))
            case 1:
                del mutant[int(rng.integers(len(mutant))) :]
            case _:
                place = int(rng.integers(used))
                mutant[place : place + 40] = rng.bytes(40)
        (tmp_path / "mutant").write_bytes(mutant)
        try:
            found = list(ArrayRecords(tmp_path / "mutant").read(0, 60))
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert found == records


def test_places_behind_headers_of_blocks_are_counted() -> None:
    block, header = 1 << 16, 24
    payload = [place for place in range(3 * block) if place % block >= header]
    for start, count in itertools.product((24, 64, 65535, 65536, 65560, 70000), (0, 1, 40, 65512, 65513, 100_000)):
        place = array_records._after(start, count)
        begin = next(i for i, each in enumerate(payload) if each >= start)
        assert place == (payload[begin + count - 1] + 1 if count else start)
    file = io.BytesIO(bytes(range(256)) * 600)
    assert array_records._read_header(file, block - 10)[1] == block + header + 30


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\\udcff has a name that is not UTF-8: rename the folder or the file"):
        ArrayRecords(tmp_path / "\udcff")
