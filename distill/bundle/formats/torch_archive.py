"""The files of torch.save, written without torch; `bundle.untrusted.torch_file` says what is in them."""

import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerneldistill.bundle.untrusted.torch_file import DTYPES

_ALIGNMENT = 64
_LOCAL_HEADER_BYTES = 30
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)

Value = np.ndarray | Mapping[str, "Value"] | list["Value"] | tuple[int, ...] | str | int | float


def torch_bytes(value: Value, name: str) -> bytes:
    """Return the file that torch.save would write for arrays in dictionaries, lists, texts and numbers.

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
        """Add the opcodes that leave `value` on the stack."""
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
        """Add _rebuild_tensor_v2(storage, offset 0, shape, strides, requires_grad False, OrderedDict())."""
        kinds = {np.dtype(code): kind for kind, code in DTYPES.items()}
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
