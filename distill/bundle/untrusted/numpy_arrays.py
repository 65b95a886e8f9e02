"""Arrays of strangers: .npy and .npz, numbers alone."""

import io
import math
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kerneldistill.bundle.untrusted.limits import read_limited
from kerneldistill.bundle.untrusted.zip_archive import read_archive
from kerneldistill.errors import UserError


def read_npz(path: Path, texts: bool = False) -> Mapping[str, np.ndarray]:
    """Return every array of an .npz, by name, read-only.

    Args:
      path: of the file.
      texts: whether texts are allowed, beside numbers.

    Raises:
      UserError: the file or an array of it is not allowed; see `read_archive` and `read_npy`.
    """
    members = read_archive(read_limited(path), str(path))
    return {name.removesuffix(".npy"): read_npy(content, f"{path}: {name}", texts) for name, content in members.items()}


def read_npy(content: bytes, name: str, texts: bool = False) -> np.ndarray:
    """Return one array, read-only.

    numpy's own reader makes room for what the header declares before it looks whether that much is there; here the
    declared size must be the size.

    Raises:
      UserError: it holds something else than numbers, or less or more of them than it says.
      ValueError: it is no .npy.
    """
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise UserError(f"{name} is of .npy version {version}, allowed are 1.0 and 2.0: save numbers alone")
    with warnings.catch_warnings():
        # Of a header that Python 2 wrote.
        warnings.simplefilter("ignore")
        shape, fortran_order, dtype = readers[version](stream)
    if dtype.kind not in ("fiubU" if texts else "fiub") or dtype.subdtype is not None:
        raise UserError(f"{name} holds {dtype}, allowed are numbers: nothing of another kind is read from strangers")
    body = content[stream.tell() :]
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(body):
        raise UserError(f"{name} says it is {dtype} {shape}, but has {len(body):,} bytes: it is damaged")
    array = np.frombuffer(body, dtype)
    return array.reshape(shape[::-1]).T if fortran_order else array.reshape(shape)
