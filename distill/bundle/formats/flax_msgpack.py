"""Checkpoints of FRePo and RCIG: msgpack as flax writes it, read within limits, without flax.

An array is an extension of type 1, a scalar one of type 3, whose content is msgpack again: shape, dtype, numbers. FRePo
(yongchaoz/FRePo) and RCIG (yolky/RCIG) keep the learned set as x_proto [n, h, w, c] and y_proto [n, k], under `params`
and, averaged over the steps, under `ema_average`, which both evaluate. msgpack has no checksum: a flipped bit of a
pixel is another pixel, and nothing can tell.
"""

import math
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from kerneldistill.bundle.formats.foreign_set import ForeignSet, Layout, foreign_set
from kerneldistill.errors import UserError
from kerneldistill.pipeline.untrusted.file import read_bounded
from kerneldistill.pipeline.untrusted.limits import MAX_BYTES, MAX_MEMBERS, MAX_PICKLE_BYTES

_ARRAY, _SCALAR = 1, 3
_NUMBERS = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint32", "uint8", "bool")
_PLACES = ("ema_average", "params")
# Maps, lists and arrays of a checkpoint are some hundreds; an empty map is one byte there, and 64 in memory.
_MAX_PARTS = 10_000


def detects(path: Path, head: bytes) -> bool:
    """Return whether there is a file: msgpack has no mark, `read` says what is none."""
    return path.is_file()


def read(path: Path, layout: Layout | None = None) -> ForeignSet:
    """Read a checkpoint.

    Raises:
      UserError: it has no learned set, or holds more than numbers.
    """
    tree = _unpacked(read_bounded(path, MAX_BYTES // 2), path)
    for place in _PLACES:
        part = tree.get(place) if isinstance(tree, dict) else None
        if isinstance(part, dict) and all(isinstance(part.get(key), np.ndarray) for key in ("x_proto", "y_proto")):
            step = tree.get("step")
            done = int(step) if isinstance(step, np.ndarray | int) and np.size(step) == 1 else None
            program = "RCIG" if "train_it" in tree else "FRePo"
            kind = f"checkpoint of {program}, {place}"
            return foreign_set(kind, part["x_proto"], part["y_proto"], layout, done)
    raise UserError(f"{path} is msgpack without x_proto and y_proto, so no checkpoint of FRePo or RCIG")


def _unpacked(content: bytes, path: Path) -> Any:
    import msgpack

    parts = count(1)

    def counted(part: Any) -> Any:
        if next(parts) > _MAX_PARTS:
            raise UserError(
                f"{path} has more than {_MAX_PARTS:,} maps and lists: it is no checkpoint of a distilled set"
            )
        return part

    def array(code: int, data: bytes) -> np.ndarray:
        counted(data)
        if code not in (_ARRAY, _SCALAR):
            raise UserError(f"{path} holds an extension of type {code}, which is no array: it is not read")
        shape, dtype, body = msgpack.unpackb(data, raw=True, max_array_len=8)
        return _array(tuple(shape), dtype.decode(), body, path)

    return msgpack.unpackb(
        content,
        raw=False,
        strict_map_key=True,
        ext_hook=array,
        object_hook=counted,
        list_hook=counted,
        max_map_len=MAX_MEMBERS,
        max_array_len=MAX_MEMBERS,
        max_str_len=MAX_PICKLE_BYTES,
        max_bin_len=MAX_PICKLE_BYTES,
    )


def _array(shape: tuple[int, ...], dtype: str, body: bytes, path: Path) -> np.ndarray:
    if dtype not in _NUMBERS:
        raise UserError(f"{path} holds an array of {dtype[:40]!r}, allowed are {', '.join(_NUMBERS)}")
    if min(shape, default=0) < 0 or math.prod(shape) * np.dtype(dtype).itemsize != len(body):
        raise UserError(f"{path} says an array is {dtype} {shape}, but has {len(body):,} bytes: it is damaged")
    return np.frombuffer(body, dtype).reshape(shape)
