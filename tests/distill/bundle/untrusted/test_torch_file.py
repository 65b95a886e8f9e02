"""A .pt without torch: what is written is what torch reads, what torch wrote is read, and all else is refused."""

import io
import pickle
import struct
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.bundle.formats.torch_archive import torch_bytes
from kerneldistill.bundle.untrusted.torch_file import read_torch
from kerneldistill.bundle.untrusted.torch_pickle import Opaque
from kerneldistill.errors import UserError

GOLDEN = Path(__file__).parents[3] / "golden"
# What tests/golden/torch_*.pt were saved from, by torch 2.13.0.
IMAGES = np.random.default_rng(0).normal(size=(4, 3, 5, 6)).astype(np.float32)
VALUE = {
    "images": IMAGES,
    "labels": np.arange(4),
    "scalar": np.array(3.5, np.float32),
    "bytes": np.arange(5, dtype=np.uint8),
    "mask": np.array([True, False]),
    "half": np.array([1.5], np.float16),
    "big": 2**40,
    "list": [IMAGES[0], [0.25, -3, "text", True]],
}


def assert_same(found: object, truth: object) -> None:
    if isinstance(truth, np.ndarray):
        assert found.dtype == truth.dtype
        assert found.shape == truth.shape
        np.testing.assert_array_equal(found, truth)
    elif isinstance(truth, Mapping):
        assert found.keys() == truth.keys()
        for key in truth:
            assert_same(found[key], truth[key])
    elif isinstance(truth, list):
        assert len(found) == len(truth)
        for one, other in zip(found, truth, strict=True):
            assert_same(one, other)
    else:
        assert (type(found), found) == (type(truth), truth)


def test_what_is_written_is_read_and_equal_values_give_equal_bytes(tmp_path: Path) -> None:
    content = torch_bytes(VALUE, "value")
    (tmp_path / "value.pt").write_bytes(content)
    assert_same(read_torch(tmp_path / "value.pt"), VALUE)
    assert torch_bytes(VALUE, "value") == content


def test_the_archive_has_torchs_members_each_where_it_can_be_mapped() -> None:
    content = torch_bytes(VALUE, "value")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        assert names[0] == "value/data.pkl"
        assert {"value/byteorder", "value/version", "value/.data/serialization_id", "value/data/0"} <= {*names}
        for member in archive.infolist():
            name, extra = struct.unpack_from("<HH", content, member.header_offset + 26)
            assert (member.header_offset + 30 + name + extra) % 64 == 0
            assert member.compress_type == zipfile.ZIP_STORED


def test_torch_reads_what_is_written(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    (tmp_path / "value.pt").write_bytes(torch_bytes(VALUE, "value"))
    for mmap in (False, True):
        found = torch.load(tmp_path / "value.pt", weights_only=True, mmap=mmap)
        numbers = {name: value.numpy() for name, value in found.items() if isinstance(value, torch.Tensor)}
        assert_same(numbers, {name: value for name, value in VALUE.items() if isinstance(value, np.ndarray)})
        assert found["images"].is_contiguous()
        assert found["big"] == VALUE["big"]


def test_what_torch_wrote_is_read() -> None:
    # A transposed view, a list, and numpy's scalars among the accuracies: as DC's main.py saves its results.
    found = read_torch(GOLDEN / "torch_dc.pt")
    assert_same(found["data"], [[IMAGES.transpose(0, 1, 3, 2), np.arange(4)]])
    assert found["accs_all_exps"] == {"ConvNet": [Opaque("numpy scalar"), 0.3]}
    # A slice, whose storage holds the whole.
    assert_same(read_torch(GOLDEN / "torch_slice.pt"), IMAGES[1:3])


def archive(pickled: bytes, **storages: bytes) -> bytes:
    """A .pt of a pickle and storages."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("x/data.pkl", pickled)
        for key, content in storages.items():
            file.writestr(f"x/data/{key[1:]}", content)
    return buffer.getvalue()


class Hostile:
    """Pickled, a call of anything."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


class Built(Hostile):
    """Pickled, a call whose result is given a state."""

    def __reduce__(self) -> tuple[object, tuple[object, ...], dict[str, object]]:
        return (*self.call, {"state": 1})


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", [Hostile, Built])
def test_no_protocol_calls_anything(tmp_path: Path, protocol: int, kind: type[Hostile]) -> None:
    import os

    canary = tmp_path / "touched"
    for payload in (kind(os.system, f"touch {canary}"), [kind(open, str(canary), "w")], {"a": kind(eval, "1/0")}):
        (tmp_path / "x.pt").write_bytes(archive(pickle.dumps(payload, protocol)))
        with pytest.raises(UserError, match=r"data do not need"):
            read_torch(tmp_path / "x.pt")
    assert not canary.exists()


REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
STORED = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
HOOKS = b"\x89ccollections\nOrderedDict\n)R"


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"\x80\x02cos\nsystem\n.", "names 'os.system'"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "names 'os.system'"),
        (b"(S'ls'\nios\nsystem\n.", "uses the opcode"),
        (b"\x80\x02\x82\x01.", "opcode EXT1"),
        (b"\x80\x02N)R.", "not callable"),
        (b"\x80\x02ctorch\nFloatStorage\n)R.", "calls something that is no tensor"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "opcode NEWOBJ"),
        (b"\x80\x02" + REBUILD + b"(NK\x00))" + HOOKS + b"tR.", "not made from a storage"),
        (b"\x80\x02" + REBUILD + b"(" + STORED + b"K\x00K\x05\x85K\x01\x85" + HOOKS + b"tR.", "beyond its storage"),
        (b"\x80\x02" + REBUILD + b"(" + STORED + b"K\x04K\x01\x85K\x01\x85" + HOOKS + b"tR.", "beyond its storage"),
        (b"\x80\x02" + REBUILD + b"(" + STORED + b"K\x00K\x02\x85J\xff\xff\xff\xff\x85" + HOOKS + b"tR.", "offset"),
        (
            b"\x80\x02" + REBUILD + b"(" + STORED + b"K\x00J\xff\xff\xff\x7f\x85K\x00\x85" + HOOKS + b"tR.",
            "no part of a distilled set",
        ),
        (b"\x80\x02" + b"]" * 50 + b"a" * 49 + b".", "nests deeper"),
        (b"\x80\x02K\x01K\x02s.", "damaged"),
    ],
)
def test_what_is_no_data_is_refused_by_its_reason(tmp_path: Path, pickled: bytes, message: str) -> None:
    (tmp_path / "x.pt").write_bytes(archive(pickled, _0=bytes(16)))
    with pytest.raises(UserError, match=message):
        read_torch(tmp_path / "x.pt")


PAIRS = b"".join(b"q%ch%c\x86" % (place, place) for place in range(60))
ONE_HASH = [(number * (2**61 - 1)).to_bytes(10, "little") for number in range(300_000)]


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".", "tuples"),
        (b"\x80\x02(" + b"}" * 4_000_000 + b"t.", "opcodes"),
        (b"\x80\x02N" + b"r" + struct.pack("<I", 2**31) + b".", "keeps a value at place 2,147,483,648"),
        (b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"\x00.", "damaged"),
        (b"\x80\x02X" + struct.pack("<I", 2**32 - 1) + b"text.", "damaged"),
        (b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.", "damaged"),
        (b"\x80\x02}N" + PAIRS + b"Ns.", "a tuple twice"),
        (b"\x80\x02" + REBUILD + b"(" + STORED + b"K\x00N" + PAIRS + b"K\x01\x85" + HOOKS + b"tR.", "a tuple twice"),
        (b"\x80\x02}ctorch._utils\n_rebuild_parameter\n(N\x85tRq\x00h\x00\x86Ns.", "not made from a tensor"),
        (b"\x80\x02}N" + b"\x85" * 200_000 + b"Ns.", "tuples"),
        (b"\x80\x02}(" + b"".join(b"\x8a\x0a" + number + b"N" for number in ONE_HASH) + b"u.", "64 bits"),
        (b"\x80\x02}N\x85Ns.", "neither text nor a whole number"),
        (b"\x80\x02]q\x00(" + b"h\x00" * 400_000 + b"e.", "nests deeper"),
        (b"\x80\x02" + REBUILD + b"(" + STORED + b"K\x00J\x00\x00\x20\x00\x85K\x00\x85" + HOOKS + b"tR.", "no part of"),
    ],
    ids=range(14),
)
def test_little_does_not_cost_much(tmp_path: Path, pickled: bytes, message: str) -> None:
    (tmp_path / "x.pt").write_bytes(archive(pickled, _0=bytes(16)))
    began = time.process_time()
    with pytest.raises(UserError, match=message):
        read_torch(tmp_path / "x.pt")
    assert time.process_time() - began < 5


def test_what_is_used_in_many_places_is_filled_once(tmp_path: Path) -> None:
    levels = b"".join(b"](" + (b"h%c" % level) * 50_000 + b"eq%c" % (level + 1) for level in range(9))
    (tmp_path / "x.pt").write_bytes(archive(b"\x80\x02]q\x00" + levels + b"."))
    found = read_torch(tmp_path / "x.pt")
    for _ in range(9):
        assert len(found) == 50_000
        assert found[0] is found[-1]
        found = found[0]


def test_what_cannot_be_written_is_told() -> None:
    with pytest.raises(TypeError, match="complex is not written"):
        torch_bytes([1j], "x")
