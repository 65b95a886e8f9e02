"""Arrays of strangers: what is declared is not believed."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.bundle.untrusted import limits, zip_archive
from kerneldistill.bundle.untrusted.numpy_arrays import read_npy, read_npz
from kerneldistill.errors import UserError


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


def test_bombs_are_refused_before_they_are_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*arguments: object) -> bytes:
        raise AssertionError("unpacked")

    many = zipped(**{f"m{number}": b"" for number in range(limits.MAX_MEMBERS + 1)})
    bomb = zipped(images=bytes(limits.FREE_RATIO_BYTES + 1))
    large = zipped(images=bytes(2000), labels=bytes(2000))
    bzipped = zipped(zipfile.ZIP_BZIP2, images=bytes(20))
    monkeypatch.setattr(zipfile.ZipFile, "read", explode)
    for content, message in ((many, "members"), (bomb, "learned images do not shrink"), (bzipped, "neither stored")):
        with pytest.raises(UserError, match=message):
            zip_archive.read_archive(content, "x")
    monkeypatch.setattr(zip_archive, "MAX_BYTES", 3999)
    with pytest.raises(UserError, match="unpacks to 4,000 bytes, allowed are 3,999"):
        zip_archive.read_archive(large, "x")


def test_two_members_of_one_name_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("images.npy", b"one")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("images.npy", b"two")
    with pytest.raises(UserError, match="two members of one name"):
        zip_archive.read_archive(buffer.getvalue(), "x")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.npz").open("wb") as file:
        file.truncate(limits.MAX_BYTES + 1)
    with pytest.raises(UserError, match=r"allowed are 1,073,741,824"):
        read_npz(tmp_path / "x.npz")
    with pytest.raises(UserError, match="cannot be read"):
        read_npz(tmp_path / "absent.npz")
