"""Arrays of strangers: .npy and .npz, numbers alone."""

import io
import math
import tokenize
import warnings
from collections.abc import Mapping
from typing import IO, NamedTuple

import numpy as np
from etils import epath

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.untrusted.limits import MAX_BYTES
from kerneldistill.pipeline.untrusted.names import printable
from kerneldistill.pipeline.untrusted.zip_archive import read_archive

_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}

# numpy's kinds of types.
NUMBERS = "fiub"


class Header(NamedTuple):
    """What an .npy says of its array: shape, whether its axes are in Fortran's order, and type."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype


def read_npz(path: epath.PathLike, texts: bool = False, most: int = MAX_BYTES) -> Mapping[str, np.ndarray]:
    """Return every array of an .npz, by name, read-only.

    Args:
      path: of the file.
      texts: whether texts are allowed, beside numbers.
      most: bytes that all arrays may have.

    Raises:
      DataError: the file or an array of it is not allowed; see `read_archive` and `read_npy`.
    """
    members = read_archive(path, most=most)
    return {
        name.removesuffix(".npy"): read_npy(content, f"{path}: {name}", NUMBERS + "U" * texts)
        for name, content in members.items()
    }


def read_header(stream: IO[bytes], name: str, kinds: str = NUMBERS) -> Header:
    """Read the header of an .npy, and leave `stream` where its numbers begin.

    Raises:
      DataError: it is of a version or a type that is not read, or its shape is none.
      ValueError: it is no .npy.
    """
    version = np.lib.format.read_magic(stream)
    if version not in _READERS:
        raise DataError(f"{name} is of .npy version {version}, allowed are 1.0 and 2.0: save numbers alone")
    with warnings.catch_warnings():
        # Of a header that Python 2 wrote.
        warnings.simplefilter("ignore")
        try:
            header = Header(*_READERS[version](stream))
        except (MemoryError, RecursionError) as error:  # of Python's parser, for brackets in brackets
            raise DataError(f"{name} has a header that nests too deep: it is damaged") from error
        except tokenize.TokenError as error:  # of the one that numpy tries next
            raise DataError(f"{name} has a header that does not end: it is damaged") from error
    if header.dtype.kind not in kinds or header.dtype.subdtype is not None:
        raise DataError(
            f"{name} holds {printable(str(header.dtype))[:80]}, allowed are numbers: nothing of another kind is read "
            "from strangers"
        )
    if min(header.shape, default=0) < 0 or len(header.shape) > 32:
        raise DataError(f"{name} says its shape is {str(header.shape)[:80]}: it is damaged")
    return header


def read_npy(content: bytes | memoryview, name: str, kinds: str = NUMBERS) -> np.ndarray:
    """Return one array, read-only, in the memory of `content`.

    numpy's own reader makes room for what the header declares before it looks whether that much is there; here the
    declared size must be the size.

    Raises:
      DataError: it holds something else than numbers, or less or more of them than it says.
      ValueError: it is no .npy.
    """
    stream = io.BytesIO(content[: 1 << 17])  # a header has 64 kB at most
    shape, fortran_order, dtype = read_header(stream, name, kinds)
    size = len(content) - stream.tell()
    if math.prod(shape) * dtype.itemsize != size:
        raise DataError(f"{name} says it is {dtype} {str(shape)[:80]}, but has {size:,} bytes: it is damaged")
    array = np.frombuffer(content, dtype, offset=stream.tell()) if size else np.empty(0, dtype)
    array.flags.writeable = False
    return array.reshape(shape[::-1]).T if fortran_order else array.reshape(shape)
