"""Arrays by name: the members of an .npz file, or the .npy files of a folder.

What is stored as it is gets mapped from its file; what is packed is unpacked whole, up to `MAX_PACKED`.
"""

import contextlib
import functools
import math
import zipfile
from collections.abc import Iterator

import numpy as np
from etils import epath

from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.storage.files import forget_local, is_remote, kept_local
from kerneldistill.pipeline.untrusted.file import opened
from kerneldistill.pipeline.untrusted.names import printable
from kerneldistill.pipeline.untrusted.numpy_arrays import Header, read_header, read_npy
from kerneldistill.pipeline.untrusted.zip_archive import open_archive, unpacked

# numpy's kinds of types: numbers, and labels that are texts.
_KINDS = "fiubUS"
# Of an array that is packed, which is unpacked whole.
MAX_PACKED = 1 << 30


def forget_arrays() -> None:
    """Forget what was read of any file: it may hold other arrays by now."""
    forget_local()
    for cached in (_is_folder, array, _member_place):
        cached.cache_clear()


def array_names(file: str) -> list[str]:
    """List the arrays of an .npz, or of a folder of .npy files."""
    if _is_folder(file):
        return sorted(path.name.removesuffix(".npy") for path in epath.Path(file).iterdir() if _is_npy(path))
    with _opened(file) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def listed(file: str) -> str:
    """Name the arrays of a file, for a message."""
    return ", ".join(map(printable, array_names(file)))[:500]


@functools.cache
def array(file: str, name: str) -> np.ndarray:
    """Read an array, read-only; map it from the file where it is not packed.

    Raises:
      DataError: there is none of that name, it is damaged, or holds neither numbers nor texts.
    """
    if name not in array_names(file):
        raise DataError(f"{file} has no array {name!r}; it has: {listed(file)}; set --data.image-key, --data.label-key")
    place = _file_place(file, name) if _is_folder(file) else _member_place(file, name)
    if place is not None:
        path, header, offset = place
        if not math.prod(header.shape):
            return np.empty(header.shape, header.dtype)
        return np.memmap(path, header.dtype, "r", offset, header.shape, "F" if header.fortran_order else "C")
    with _opened(file) as archive:
        return read_npy(unpacked(archive, archive.getinfo(f"{name}.npy")), f"{file}: {name}", _KINDS)


def check_arrays(file: str) -> None:
    """Compare every array of an .npz with its checksum; an .npy has none.

    Raises:
      DataError: one does not match, or is packed and too large to be unpacked.
    """
    if _is_folder(file):
        return
    with _opened(file) as archive:
        large = [member for member in archive.infolist() if _is_packed(member) and member.file_size > MAX_PACKED]
        if large:
            raise DataError(
                f"{file}: {large[0].filename!r} unpacks to {large[0].file_size:,} bytes; allowed: {MAX_PACKED:,}; "
                "write it with numpy.savez, which packs nothing and is read in its place"
            )
        damaged = archive.testzip()
    if damaged:
        raise DataError(f"{file}: the checksum of array {printable(damaged)} does not match; restore the file")


def files_of(file: str) -> list[epath.Path]:
    """List the files that hold the arrays."""
    path = epath.Path(file)
    return sorted(filter(_is_npy, path.iterdir())) if _is_folder(file) else [path]


@functools.cache
def _is_folder(file: str) -> bool:
    return epath.Path(file).is_dir()


def _is_npy(path: epath.Path) -> bool:
    return path.name.endswith(".npy") and not path.name.startswith(".")


@contextlib.contextmanager
def _opened(file: str) -> Iterator[zipfile.ZipFile]:
    """Open a file; turn every way in which a damaged one fails into one DataError."""
    try:
        with open_archive(kept_local(file)) as archive:
            yield archive
    except DataError as error:
        if isinstance(error.__cause__, DataError | None):
            raise
        raise DataError(f"{file} is not a readable .npz file ({first_line(error.__cause__)}); restore it") from error


def _is_packed(member: zipfile.ZipInfo) -> bool:
    return member.compress_type != zipfile.ZIP_STORED


def _file_place(folder: str, name: str) -> tuple[str, Header, int]:
    """Find the numbers of an .npy: a local file, their shape and type, and their offset."""
    path = str(epath.Path(folder) / f"{name}.npy")
    local = kept_local(path) if is_remote(path) else path
    try:
        with opened(local) as stream:
            header, offset = read_header(stream, path, _KINDS), stream.tell()
            size = stream.seek(0, 2) - offset
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not a readable .npy file ({first_line(error)}); restore it") from error
    _check_size(path, header, size)
    return local, header, offset


@functools.cache
def _member_place(file: str, name: str) -> tuple[str, Header, int] | None:
    """Find the numbers of a member that is stored as it is, as `_file_place` does; None where it is packed."""
    path = kept_local(file)
    with _opened(file) as archive:
        info = archive.getinfo(f"{name}.npy")
        with archive.open(info) as stream:
            header = read_header(stream, f"{file}: {name}", _KINDS)
            length = stream.tell()
        _check_size(f"{file}: {name}", header, info.file_size - length)
        if _is_packed(info):
            return None
    with opened(path) as raw:
        raw.seek(info.header_offset)
        head = raw.read(30)
    start = info.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    return path, header, start + length


def _check_size(name: str, header: Header, size: int) -> None:
    if math.prod(header.shape) * header.dtype.itemsize != size:
        raise DataError(f"{name} says its shape is {str(header.shape)[:80]}, which its bytes are not; restore it")
