"""The files of torch.save, read without torch.

A .pt is a zip archive, nothing in it compressed:

    NAME/data.pkl                    a pickle (protocol 2) of the value; each tensor names its storage
    NAME/byteorder                   `little`
    NAME/data/0, NAME/data/1, ...    the numbers of the storages, each at a multiple of 64 bytes of the file
    NAME/version                     `3`
    NAME/.data/serialization_id      a name for the content

(torch/serialization.py and caffe2/serialize/inline_container.cc of torch 1.6 and later.)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from kerneldistill.bundle.untrusted.torch_pickle import Tensor, read_pickle
from kerneldistill.errors import UserError
from kerneldistill.pipeline.untrusted.limits import FREE_RATIO_BYTES, MAX_BYTES
from kerneldistill.pipeline.untrusted.zip_archive import member_names, read_archive

# numpy's names of the types of storages.
DTYPES: Mapping[str, str] = MappingProxyType(
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
_MAX_DEPTH = 10
_Order = Literal["<", ">"]
_ORDERS: Mapping[bytes, _Order] = MappingProxyType({b"little": "<", b"big": ">"})


def is_torch(path: Path) -> bool:
    """Return whether a zip archive is a .pt."""
    return any(name.endswith("/data.pkl") for name in member_names(path))


def torch_type(path: Path) -> type:
    """Return the type of the value in a .pt, without its numbers: `dict`, `list`, `Tensor`, ...

    Raises:
      UserError: see `read_torch`.
    """
    _, value = _pickled(read_archive(path, lambda name: name.endswith("/data.pkl")), path)
    return dict if isinstance(value, dict) else type(value)


def read_torch(path: Path) -> Any:
    """Read the value in a .pt: dict, list, text, numbers, arrays for tensors, `Opaque` for what is not read.

    Raises:
      UserError: it is damaged, too large, or holds more than data.
    """
    members = read_archive(path)
    root, value = _pickled(members, path)
    order = _ORDERS[bytes(members.get(f"{root}byteorder", b"little")).strip()]
    return _Filler(members, root, order).filled(value)


def _pickled(members: Mapping[str, bytes | memoryview], path: Path) -> tuple[str, Any]:
    """Return the folder of the value in an archive, and the value without its numbers."""
    pickles = [name for name in members if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise UserError(f"{path} has {len(pickles)} members data.pkl, so it is no file of torch.save (1.6 or later)")
    return pickles[0].removesuffix("data.pkl"), read_pickle(bytes(members[pickles[0]]), f"{path}: data.pkl")


@dataclass
class _Filler:
    """Puts numbers into the tensors of a value.

    members: of the archive
    root: folder of the value in it, with its slash
    order: of the bytes of a number, `<` or `>`
    shown: bytes of all tensors so far
    done: what became of each object, by its id: an object that stands in many places is filled once
    """

    members: Mapping[str, bytes | memoryview]
    root: str
    order: _Order
    shown: int = 0
    done: dict[int, Any] = field(default_factory=dict)

    def filled(self, value: Any, depth: int = 0) -> Any:
        """Return the value with arrays for tensors and lists for tuples."""
        if not isinstance(value, Tensor) and type(value) not in (list, tuple) and not isinstance(value, dict):
            return value
        if depth > _MAX_DEPTH:
            raise UserError(f"{self.root}data.pkl nests deeper than any distilled set")
        if id(value) not in self.done:
            if isinstance(value, Tensor):
                made = self._array(value)
            elif isinstance(value, dict):
                if not all(isinstance(key, str | int) for key in value):
                    raise UserError(f"{self.root}data.pkl has a key that is neither text nor a whole number")
                made = {key: self.filled(part, depth + 1) for key, part in value.items()}
            else:
                made = [self.filled(part, depth + 1) for part in value]
            self.done[id(value)] = made
        return self.done[id(value)]

    def _array(self, tensor: Tensor) -> np.ndarray:
        """Return the numbers a tensor shows of its storage."""
        storage, shape, strides = tensor.storage, tensor.shape, tensor.strides
        content = self.members[f"{self.root}data/{storage.key}"]
        dtype = np.dtype(DTYPES[storage.kind]).newbyteorder(self.order)
        size = math.prod(shape) * dtype.itemsize
        self.shown += size
        # A stride of 0 shows a number many times.
        if len(shape) != len(strides) or size > max(FREE_RATIO_BYTES, len(content)) or self.shown > MAX_BYTES:
            raise UserError(f"{self.root}: a tensor of shape {shape} is no part of a distilled set")
        flat = np.frombuffer(content, dtype)
        last = tensor.offset + sum((count - 1) * stride for count, stride in zip(shape, strides, strict=True))
        if size and last >= len(flat):
            raise UserError(f"{self.root}: a tensor reaches beyond its storage, so the file is damaged")
        steps = tuple(stride * dtype.itemsize for stride in strides)
        view = np.lib.stride_tricks.as_strided(flat[tensor.offset :], shape, steps, writeable=False)
        return view.astype(dtype.newbyteorder("="))
