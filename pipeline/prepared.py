"""`load`: a prepared data set from disk into memory, every byte checked. Neither Beam nor TensorFlow."""

import io
import math
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from etils import epath

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.split import Split
from kerneldistill.pipeline.storage.files import absolute, sha256
from kerneldistill.pipeline.storage.manifest import PROBE, WHITENER, File, Manifest
from kerneldistill.pipeline.storage.shard import Shard, ShardImages, read_shard
from kerneldistill.pipeline.whitening.whitener import Whitener

# Hashing and reading release the interpreter lock; more threads than this wait for memory.
_THREADS = 4
MAX_BYTES_IN_MEMORY = 2**31


@dataclass(frozen=True, eq=False)
class Prepared:
    """A prepared data set.

    train: images to distil from; mapped from disk where they are large, as the next two
    validation: images held out of the source's train split, to choose by
    test: images to report on, once
    whitener: pixels to the space of the images above, and back
    manifest: what the data set is
    probe: uint8 [8, h, w, c] the first raw test images (fewer when there are fewer): whitener.apply(probe) must give
      test.images[:8] wherever the data set is used
    """

    train: Split
    validation: Split
    test: Split
    whitener: Whitener
    manifest: Manifest
    probe: np.ndarray


def load(path: epath.PathLike, max_bytes_in_memory: int = MAX_BYTES_IN_MEMORY) -> Prepared:
    """Reads a prepared data set, checking the digest of every file.

    The images of a split larger than `max_bytes_in_memory` are decoded into a file without a name in the folder for
    temporary files (TMPDIR) and mapped from there: the system keeps in memory what is used.

    Args:
      path: folder or URL
      max_bytes_in_memory: size of a split's images up to which they are an ordinary array; 2 GiB

    Raises:
      DataError: there is no data set, it has another schema version, a file is missing or damaged, or the folder for
        temporary files has no room.
    """
    path = absolute(path)
    manifest = Manifest.load(path)
    folder = manifest.folder(path)
    verify(folder, manifest)
    splits = {split: read_split(folder, manifest, split, max_bytes_in_memory) for split in manifest.class_counts}
    return Prepared(
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        whitener=Whitener.load(folder / WHITENER),
        manifest=manifest,
        probe=np.load(io.BytesIO((folder / PROBE).read_bytes())),
    )


def verify(folder: epath.Path, manifest: Manifest) -> None:
    """Checks that every file the manifest lists is there with its digest.

    Raises:
      DataError: naming the first file that is missing, of another size, or of another digest.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(lambda file: check_file(folder, file), (*manifest.files, *manifest.shards)):
            pass


def check_file(folder: epath.Path, file: File | Shard) -> None:
    """Raises DataError when a file is missing, of another size, or of another digest than the manifest says."""
    path = folder / file.path
    again = "restore it or prepare the data set again"
    if not path.exists():
        raise DataError(f"{path} is missing; {again}")
    if (size := path.stat().length) != file.bytes:
        raise DataError(f"{path} has {size} bytes, the manifest says {file.bytes}; {again}")
    if (digest := sha256(path)) != file.sha256:
        raise DataError(
            f"{path} is damaged: its sha256 is {digest[:16]}..., the manifest says {file.sha256[:16]}...; {again}"
        )


def read_split(folder: epath.Path, manifest: Manifest, split: str, max_bytes_in_memory: int) -> Split:
    """One split, in the order of its shards; see `load`."""
    shards = [shard for shard in manifest.shards if shard.split == split]
    ends = np.cumsum([0] + [sum(shard.class_counts) for shard in shards])
    images = _room((int(ends[-1]), *manifest.image_shape), max_bytes_in_memory)
    labels = np.empty(ends[-1], np.int32)

    def read(shard: Shard, start: int, stop: int) -> None:
        content: ShardImages = read_shard(folder / shard.path)
        if content.images.shape != (stop - start, *manifest.image_shape):
            raise DataError(
                f"{folder / shard.path} holds {content.images.shape}, the manifest says {stop - start} images"
            )
        images[start:stop], labels[start:stop] = content.images, content.labels

    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(read, shards, ends[:-1], ends[1:]):
            pass
    return Split(images, labels)


def _room(shape: tuple[int, ...], max_bytes_in_memory: int) -> np.ndarray:
    """float32 of a shape, to be filled: in memory, or mapped from a nameless temporary file."""
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
