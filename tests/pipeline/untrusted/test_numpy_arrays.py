"""Arrays of strangers: what is declared is not believed."""

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.errors import UserError
from kerneldistill.pipeline.untrusted import limits, zip_archive
from kerneldistill.pipeline.untrusted.numpy_arrays import read_npy, read_npz


def npy(array: np.ndarray, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint8", "bool", ">f4"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
def test_numbers_come_back(dtype: str, shape: tuple[int, ...]) -> None:
    truth = (np.arange(np.prod(shape, dtype=int)).reshape(shape) % 2).astype(dtype)
    for array in (truth, np.asfortranarray(truth)):
        found = read_npy(npy(array), "x")
        assert found.dtype == truth.dtype
        np.testing.assert_array_equal(found, truth)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(np.array([None, {}], object), allow_pickle=True), "holds object"),
        (npy(np.zeros(2, [("a", "f4"), ("b", "i4")])), "allowed are numbers"),
        (npy(np.array(["text"])), "allowed are numbers"),
        (npy(np.zeros(3, np.complex64)), "allowed are numbers"),
        (npy(np.zeros(3))[:-1], "it is damaged"),
        (npy(np.zeros(3)) + b"x", "it is damaged"),
        (npy(np.zeros(3)).replace(b"(3,)", b"(9,)"), "it is damaged"),
        (npy(np.zeros(3)).replace(b"}", b" "), "a header that does not end"),
        (b"\x93NUMPY\x03\x00" + npy(np.zeros(3))[8:], "version"),
    ],
)
def test_all_else_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_npy(content, "x")


def test_a_size_that_is_only_declared_costs_nothing() -> None:
    header = npy(np.zeros(3)).replace(b"'shape': (3,), }          ", b"'shape': (999999999999,), }")
    with pytest.raises(UserError, match=r"says it is float64 \(999999999999,\)"):
        read_npy(header, "x")


def zipped(compression: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*arguments: object) -> bytes:
        raise AssertionError("unpacked")

    path = tmp_path / "x"
    many = zipped(**{f"m{number}": b"" for number in range(limits.MAX_MEMBERS + 1)})
    bomb = zipped(images=bytes(limits.FREE_RATIO_BYTES + 1))
    large = zipped(images=bytes(2000), labels=bytes(2000))
    bzipped = zipped(zipfile.ZIP_BZIP2, images=bytes(20))
    monkeypatch.setattr(zipfile.ZipFile, "open", explode)
    for content, message in ((many, "members"), (bomb, "learned images do not shrink"), (bzipped, "neither stored")):
        path.write_bytes(content)
        with pytest.raises(UserError, match=message):
            zip_archive.read_archive(path)
    path.write_bytes(large)
    with pytest.raises(UserError, match="unpacks to 4,000 bytes, allowed are 3,999"):
        zip_archive.read_archive(path, most=3999)


def test_a_member_is_never_unpacked_beyond_what_it_declares(tmp_path: Path) -> None:
    content = bytearray(zipped(images=bytes(1 << 28)))
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = content.index(mark) + place
        content[at : at + 4] = (1000).to_bytes(4, "little")
    (tmp_path / "x").write_bytes(content)

    def read() -> None:
        with pytest.raises(UserError, match="damaged"):
            zip_archive.read_archive(tmp_path / "x")

    tracemalloc.start()
    read()
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


def test_a_directory_of_millions_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(zipped(**{f"{number:060}": b"" for number in range(60_000)}))
    with pytest.raises(UserError, match="directory is larger"):
        zip_archive.read_archive(tmp_path / "x")


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("images.npy", b"one")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("images.npy", b"two")
    (tmp_path / "x").write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match="two members of one name"):
        zip_archive.read_archive(tmp_path / "x")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.npz").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError, match="not a zip file"):
        read_npz(tmp_path / "x.npz")
    with pytest.raises(UserError, match="cannot be read"):
        read_npz(tmp_path / "absent.npz")
