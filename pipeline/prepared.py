"""`load`: read a prepared data set into memory and check every byte. Needs neither Beam nor TensorFlow."""

import math
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from etils import epath

from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.split import Split
from kerneldistill.pipeline.storage.files import absolute, sha256
from kerneldistill.pipeline.storage.manifest import PROBE, WHITENER, File, Manifest
from kerneldistill.pipeline.storage.shard import Shard, ShardImages, fault_of, read_shard
from kerneldistill.pipeline.untrusted.file import read_bounded
from kerneldistill.pipeline.untrusted.numpy_arrays import read_npy
from kerneldistill.pipeline.whitening.whitener import Whitener

# Hashing and reading release the interpreter lock; more threads than this wait for memory.
_THREADS = 4
MAX_BYTES_IN_MEMORY = 2**31


@dataclass(frozen=True, eq=False, repr=False)
class Prepared:
    """A prepared data set in memory.

    train: images to distil from; this and the next two are mapped from disk where they are large
    validation: images held out of the source's train split, to choose by
    test: images to report on, once
    whitener: takes pixels to the space of the images above, and back
    manifest: what the data set is: its names, counts, configuration and digests
    probe: uint8 [8, h, w, c] the first raw test images, or fewer; whitener.apply(probe) gives test.images[:8] wherever
      the data set is used
    """

    train: Split
    validation: Split
    test: Split
    whitener: Whitener
    manifest: Manifest
    probe: np.ndarray

    def __repr__(self) -> str:
        return f"Prepared({self.manifest.summary()})"


def load(path: epath.PathLike, max_bytes_in_memory: int = MAX_BYTES_IN_MEMORY) -> Prepared:
    """Read a prepared data set and check the digest of every file.

    The images of a split above `max_bytes_in_memory` are decoded into a nameless file in the folder for temporary files
    (TMPDIR) and mapped from there: the system keeps in memory what is used.

    Args:
      path: folder (str or Path) or URL that `prepare` wrote
      max_bytes_in_memory: bytes of a split's images up to which they are an ordinary array; 2 GiB

    Returns:
      The three splits as float32 images [n, h, w, c] and int32 labels [n], the whitener and the manifest.

    Raises:
      DataError: there is no data set, it has another schema version, a file is missing or damaged, or TMPDIR is full.
    """
    path = absolute(path)
    manifest = Manifest.load(path)
    folder = manifest.folder(path)
    check_files(folder, manifest)
    splits = {split: read_split(folder, manifest, split, max_bytes_in_memory) for split in manifest.class_counts}
    return Prepared(
        **splits, whitener=read_whitener(folder, manifest), manifest=manifest, probe=read_probe(folder, manifest)
    )


def read_whitener(folder: epath.Path, manifest: Manifest) -> Whitener:
    """Read the whitener of a prepared data set. Raises DataError if it is none, or of other images."""
    whitener = Whitener.load(folder / WHITENER)
    if whitener.image_shape != manifest.image_shape or whitener.kind != manifest.config.whiten:
        raise DataError(f"{folder / WHITENER} is of another data set or whitening; prepare the data set again")
    return whitener


def read_probe(folder: epath.Path, manifest: Manifest) -> np.ndarray:
    """Read the raw test images of a prepared data set. Raises DataError if they are none, or of another shape."""
    try:
        probe = read_npy(read_bounded(folder / PROBE), str(folder / PROBE))
    except ValueError as error:
        raise DataError(f"{folder / PROBE} is no .npy ({first_line(error)}); prepare the data set again") from error
    if probe.dtype != np.uint8 or probe.shape[1:] != manifest.image_shape:
        raise DataError(f"{folder / PROBE} is {probe.dtype} {probe.shape}, of another data set; prepare it again")
    return probe


def check_files(folder: epath.Path, manifest: Manifest) -> None:
    """Check that every file in the manifest exists and has its digest.

    Raises:
      DataError: a file is missing, of another size, or of another digest; the message names the first one.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(lambda file: check_file(folder, file), (*manifest.files, *manifest.shards)):
            pass


def check_file(folder: epath.Path, file: File | Shard) -> None:
    """Raise DataError if a file is missing, or has another size or digest than the manifest says."""
    path = folder / file.path
    again = "restore it or prepare the data set again"
    if not path.exists():
        raise DataError(f"{path} is missing; {again}")
    if (size := path.stat().length) != file.bytes:
        raise DataError(f"{path} has {size} bytes, the manifest says {file.bytes}; {again}")
    try:
        digest = sha256(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); {again}") from error
    if digest != file.sha256:
        raise DataError(
            f"{path} is damaged: its sha256 is {digest[:16]}..., the manifest says {file.sha256[:16]}...; {again}"
        )


def read_split(folder: epath.Path, manifest: Manifest, split: str, max_bytes_in_memory: int) -> Split:
    """Read a split, in the order of its shards; see `load`."""
    shards = [shard for shard in manifest.shards if shard.split == split]
    ends = np.cumsum([0] + [sum(shard.class_counts) for shard in shards])
    images = _allocate((int(ends[-1]), *manifest.image_shape), max_bytes_in_memory)
    labels = np.empty(ends[-1], np.int32)

    def read(shard: Shard, start: int, stop: int) -> None:
        content: ShardImages = read_shard(folder / shard.path, shard.unpacked(manifest.image_shape))
        if (fault := fault_of(content, shard, manifest.image_shape)) is not None:
            raise DataError(f"{folder / shard.path}: {fault}; prepare the data set again")
        images[start:stop], labels[start:stop] = content.images, content.labels

    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(read, shards, ends[:-1], ends[1:]):
            pass
    return Split(images, labels)


def _allocate(shape: tuple[int, ...], max_bytes_in_memory: int) -> np.ndarray:
    """Make an empty float32 array, in memory or mapped from a nameless temporary file."""
    size = 4 * math.prod(shape)
    if size <= max_bytes_in_memory:
        return np.empty(shape, np.float32)
    folder = tempfile.gettempdir()
    if (free := shutil.disk_usage(folder).free) < size:
        raise DataError(
            f"{folder} has {free / 1e9:.1f} GB free, a split to map into memory needs {size / 1e9:.1f} GB; set TMPDIR "
            "to a folder with more room, or raise max_bytes_in_memory"
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, np.float32, "w+", shape=shape)
