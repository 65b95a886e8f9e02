"""`load`: a prepared data set from disk into memory, every byte checked. Neither Beam nor TensorFlow."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from etils import epath

from pipeline.errors import DataError
from pipeline.files import sha256
from pipeline.manifest import PROBE, WHITENER, File, Manifest
from pipeline.shard import Shard, ShardImages, read_shard
from pipeline.split import Split
from pipeline.whiten import Whitener

# Hashing and reading release the interpreter lock; more threads than this wait for memory.
_THREADS = 4


@dataclass(frozen=True, eq=False)
class Prepared:
    """A prepared data set.

    train: images to distil from
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


def load(path: epath.PathLike) -> Prepared:
    """Reads a prepared data set, checking the digest of every file.

    Raises:
      DataError: there is no data set, it has another schema version, or a file is missing or damaged.
    """
    folder = epath.Path(path)
    manifest = Manifest.load(folder)
    verify(folder, manifest)
    splits = {split: _read_split(folder, manifest, split) for split in manifest.class_counts}
    return Prepared(
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        whitener=Whitener.load(folder / WHITENER),
        manifest=manifest,
        probe=np.load(folder / PROBE),
    )


def verify(folder: epath.Path, manifest: Manifest) -> None:
    """Checks that every file the manifest lists is there with its digest.

    Raises:
      DataError: naming the first file that is missing, of another size, or of another digest.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(lambda file: _verify_file(folder, file), (*manifest.files, *manifest.shards)):
            pass


def _verify_file(folder: epath.Path, file: File | Shard) -> None:
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


def _read_split(folder: epath.Path, manifest: Manifest, split: str) -> Split:
    shards = [shard for shard in manifest.shards if shard.split == split]
    ends = np.cumsum([0] + [sum(shard.class_counts) for shard in shards])
    images = np.empty((ends[-1], *manifest.image_shape), np.float32)
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
