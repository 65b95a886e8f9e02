"""The files of torch.save, written and read without torch.

A .pt is a zip archive, nothing in it compressed:

    NAME/data.pkl                    a pickle (protocol 2) of the value; each tensor names its storage
    NAME/byteorder                   `little`
    NAME/data/0, NAME/data/1, ...    the numbers of the storages, each at a multiple of 64 bytes of the file
    NAME/version                     `3`
    NAME/.data/serialization_id      a name for the content

(torch/serialization.py and caffe2/serialize/inline_container.cc of torch 1.6 and later.)
"""

import hashlib
import io
import math
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from kerneldistill.bundle.untrusted.limits import MAX_BYTES, read_limited
from kerneldistill.bundle.untrusted.torch_pickle import Storage, Tensor, read_pickle
from kerneldistill.bundle.untrusted.zip_archive import read_archive
from kerneldistill.errors import UserError

_DTYPES: Mapping[str, str] = MappingProxyType(
    {
        "DoubleStorage": "f8",
        "FloatStorage": "f4",
        "HalfStorage": "f2",
        "LongStorage": "i8",
        "IntStorage": "i4",
        "ShortStorage": "i2",
        "CharStorage": "i1",
        "ByteStorage": "u1",
        "BoolStorage": "?",
    }
)
_ALIGNMENT = 64
_LOCAL_HEADER_BYTES = 30
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)

Value = np.ndarray | Mapping[str, "Value"] | list["Value"] | str | int | float


def read_torch(path: Path) -> Any:
    """The value in a .pt: dict, list, tuple, text, numbers, arrays for tensors, `Opaque` for what is not read.

    Raises:
      UserError: it is damaged, too large, or holds more than data.
    """
    members = read_archive(read_limited(path), str(path))
    pickles = [name for name in members if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise UserError(f"{path} has {len(pickles)} members data.pkl, so it is no file of torch.save (1.6 or later)")
    root = pickles[0].removesuffix("data.pkl")
    order = {"little": "<", "big": ">"}[members.get(f"{root}byteorder", b"little").decode().strip()]
    return _filled(read_pickle(members[pickles[0]], f"{path}: data.pkl"), members, root, order)


def torch_bytes(value: Value, name: str) -> bytes:
    """What torch.save would write of arrays, and dictionaries, lists, texts and numbers around them.

    Equal values give equal bytes. An array of no axis stays one.

    Args:
      value: float64, float32, float16, integer and boolean arrays.
      name: of the folder in the archive; torch takes the file's.
    """
    pickle = _Pickle()
    pickle.write(value)
    members = {"data.pkl": b"\x80\x02" + bytes(pickle.program) + b".", "byteorder": b"little"}
    members |= {f"data/{key}": content for key, content in enumerate(pickle.storages)}
    digest = hashlib.sha256(b"".join(members.values())).digest()
    # torch writes forty decimal digits; so does this.
    identity = f"{int.from_bytes(digest) % 10**40:040d}".encode()
    members |= {"version": b"3\n", ".data/serialization_id": identity}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for member, content in members.items():
            info = zipfile.ZipInfo(f"{name}/{member}", _FIRST_DATE)
            begin = buffer.tell() + _LOCAL_HEADER_BYTES + len(info.filename) + 4
            padding = -begin % _ALIGNMENT
            info.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
            archive.writestr(info, content)
    return buffer.getvalue()


@dataclass
class _Pickle:
    """A pickle that grows.

    program: opcodes so far
    storages: contents of the tensors so far
    """

    program: bytearray = field(default_factory=bytearray)
    storages: list[bytes] = field(default_factory=list)

    def write(self, value: Value) -> None:
        """Adds the opcodes that leave `value` on the stack."""
        match value:
            case np.ndarray():
                self._tensor(value)
            case bool():
                self.program += b"\x88" if value else b"\x89"
            case int():
                self._int(value)
            case float():
                self.program += b"G" + struct.pack(">d", value)
            case str():
                self.program += b"X" + struct.pack("<I", len(value.encode())) + value.encode()
            case tuple():
                self._sequence(b"(", value, b"t")
            case list():
                self._sequence(b"](", value, b"e")
            case dict():
                self._sequence(b"}(", [part for item in value.items() for part in item], b"u")
            case _:
                raise TypeError(f"{type(value).__name__} is not written to a .pt")

    def _sequence(self, begin: bytes, values: Any, end: bytes) -> None:
        self.program += begin
        for value in values:
            self.write(value)
        self.program += end

    def _int(self, value: int) -> None:
        if -(2**31) <= value < 2**31:
            self.program += b"J" + struct.pack("<i", value)
        else:
            self.program += b"\x8a\x08" + struct.pack("<q", value)

    def _global(self, module: str, name: str) -> None:
        self.program += f"c{module}\n{name}\n".encode()

    def _tensor(self, array: np.ndarray) -> None:
        """_rebuild_tensor_v2(storage, offset 0, shape, strides, requires_grad False, OrderedDict())."""
        kinds = {np.dtype(code): kind for kind, code in _DTYPES.items()}
        # Of an array without axes, numpy would make one with an axis.
        array = np.asarray(array, order="C")
        kind = kinds[array.dtype]
        self._global("torch._utils", "_rebuild_tensor_v2")
        self.program += b"(("
        self.write("storage")
        self._global("torch", kind)
        for value in (str(len(self.storages)), "cpu", array.size):
            self.write(value)
        self.program += b"tQ"
        self.storages.append(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        self.write(0)
        self.write(array.shape)
        self.write(tuple(stride // array.itemsize for stride in array.strides))
        self.write(False)
        self._global("collections", "OrderedDict")
        self.program += b")RtR"


def _filled(value: Any, members: Mapping[str, bytes], root: str, order: str, depth: int = 0) -> Any:
    """A value of `read_pickle` with the numbers of its tensors."""
    if depth > 10:
        raise UserError(f"{root}data.pkl nests deeper than any distilled set")
    if isinstance(value, Tensor):
        return _array(value, members, root, order)
    if isinstance(value, dict):
        return {key: _filled(part, members, root, order, depth + 1) for key, part in value.items()}
    if type(value) in (list, tuple):
        return [_filled(part, members, root, order, depth + 1) for part in value]
    return value


def _array(tensor: Tensor, members: Mapping[str, bytes], root: str, order: str) -> np.ndarray:
    """The numbers a tensor shows of its storage."""
    storage: Storage = tensor.storage
    dtype = np.dtype(_DTYPES[storage.kind]).newbyteorder(order)
    flat = np.frombuffer(members[f"{root}data/{storage.key}"], dtype)
    shape, strides = tensor.shape, tensor.strides
    if len(shape) != len(strides) or len(shape) > 8 or math.prod(shape) * dtype.itemsize > MAX_BYTES:
        raise UserError(f"{root}: a tensor of shape {shape} is no part of a distilled set")
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= len(flat):
        raise UserError(f"{root}: a tensor reaches beyond its storage, so the file is damaged")
    steps = tuple(stride * dtype.itemsize for stride in strides)
    view = np.lib.stride_tricks.as_strided(flat[tensor.offset :], shape, steps, writeable=False)
    return view.astype(dtype.newbyteorder("="))
