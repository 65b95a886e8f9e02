"""A shard: one array_record file of whitened images. Each record describes itself.

    4 bytes  magic "KDR1"
    int32    label
    uint16   length of the key
    uint32   h, w, c
    key      UTF-8
    pixels   float32 [h, w, c]

All little-endian. array_record adds a checksum to each chunk, the manifest a digest of the whole file.
"""

import errno
import math
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from etils import epath

from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.storage.files import local, sha256, whole
from kerneldistill.pipeline.storage.retry import retry
from kerneldistill.pipeline.storage.statistics import Statistics
from kerneldistill.pipeline.untrusted.array_records import ArrayRecords
from kerneldistill.pipeline.untrusted.limits import MAX_BATCH_BYTES
from kerneldistill.pipeline.untrusted.names import Digest, RelativePath, Whole

_MAGIC = b"KDR1"
_HEAD = struct.Struct("<4siH3I")
# Pixels in memory to bytes of the files. Real ones reach 3; those of one value, in files of 128 kB at least, some 1000.
MAX_SHRINKING = 1000
# Records compressed together. Standardised pixels shrink to 40 % with 64, to 55 % one by one; 1000 gain little more.
_MAX_GROUP = 64
_OPTIONS = f"group_size:{_MAX_GROUP}"
# Bytes beside the pixels of a record: its head, its key, and where it ends.
_MAX_BESIDE = _HEAD.size + (1 << 16) + 8


SplitName = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Shard:
    """One shard file, as the manifest lists it.

    split: train, validation or test
    index: number of the source batch its images come from; shards of a split are in this order
    path: relative to the prepared data set
    class_counts: [k] images of each class
    statistics: of the whitened pixels
    bytes: size of the file
    sha256: hex digest of the file
    """

    split: SplitName
    index: Whole
    path: RelativePath
    class_counts: tuple[Whole, ...]
    statistics: Statistics
    bytes: Whole
    sha256: Digest

    def unpacked(self, image_shape: Sequence[int]) -> int:
        """Return how many bytes its images have."""
        return 4 * math.prod(image_shape) * sum(self.class_counts)


class ShardImages(NamedTuple):
    """What a shard holds.

    keys: [n] stable names
    images: float32 [n, h, w, c] whitened pixels
    labels: int32 [n]
    """

    keys: Sequence[str]
    images: np.ndarray
    labels: np.ndarray


def shard_path(split: str, index: int) -> str:
    """Name a shard file, relative to the prepared data set."""
    return f"shards/{split}-{index:05d}.array_record"


def write_shard(folder: epath.Path, split: SplitName, index: int, content: ShardImages, num_classes: int) -> Shard:
    """Write `content` under `folder`, whole or not at all; the same content gives the same bytes."""
    path = folder / shard_path(split, index)
    retry(lambda: _write(path, content), f"writing {path}")
    counts = np.bincount(content.labels, minlength=num_classes)
    return Shard(
        split=split,
        index=index,
        path=shard_path(split, index),
        class_counts=tuple(counts.tolist()),
        statistics=Statistics.of(content.images),
        bytes=path.stat().length,
        sha256=sha256(path),
    )


def _write(path: epath.Path, content: ShardImages) -> None:
    from array_record.python import array_record_module  # pyright: ignore[reportAttributeAccessIssue]  # compiled

    with whole(path) as temporary:
        try:
            writer = array_record_module.ArrayRecordWriter(str(temporary), _OPTIONS)
            for key, image, label in zip(content.keys, content.images, content.labels, strict=True):
                writer.write(encode(key, image, int(label)))
            writer.close()
        except RuntimeError as error:  # the library's, for whatever the system says
            number = next((number for number in errno.errorcode if os.strerror(number) in str(error)), errno.EIO)
            raise OSError(number, os.strerror(number)) from error


def read_shard(path: epath.Path, most: int = MAX_BATCH_BYTES) -> ShardImages:
    """Read a shard of one record or more.

    Args:
      path: of the file
      most: bytes that its images may have

    Raises:
      DataError: it is no shard, damaged, or larger.
    """
    try:
        with local(path) as readable:
            file = ArrayRecords(readable, most + _MAX_BESIDE * _MAX_GROUP)
            if file.size > most + _MAX_BESIDE * len(file):
                raise DataError(
                    f"shard {path} has {file.size:,} bytes, its images {most:,}; prepare the data set again"
                )
            records = list(file.read(0, len(file)))
            file.close()
        keys, images, labels = zip(*map(decode, records), strict=True)
        return ShardImages(keys, np.stack(images), np.array(labels, np.int32))
    except (ValueError, struct.error) as error:
        reason = first_line(error)
        raise DataError(f"shard {path} cannot be read ({reason}); prepare the data set again") from error


def fault_of(content: ShardImages, shard: Shard, image_shape: Sequence[int]) -> str | None:
    """Return what a shard holds other than the manifest says, in words; None if nothing."""
    if content.images.shape[1:] != tuple(image_shape):
        return f"images are {content.images.shape[1:]}, the manifest says {tuple(image_shape)}"
    k = len(shard.class_counts)
    if content.labels.min() < 0 or content.labels.max() >= k:
        return f"labels go from {content.labels.min()} to {content.labels.max()}, the manifest says 0 to {k - 1}"
    counts = np.bincount(content.labels, minlength=k).tolist()
    if tuple(counts) != shard.class_counts:
        return f"classes are {str(counts)[:200]}, the manifest says {str(list(shard.class_counts))[:200]}"
    if not -math.inf < content.images.min() <= content.images.max() < math.inf:
        return "holds numbers that are not finite"
    return None


def encode(key: str, image: np.ndarray, label: int) -> bytes:
    """Encode a record: float32 image [h, w, c] with its key and label."""
    name = key.encode()
    return _HEAD.pack(_MAGIC, label, len(name), *image.shape) + name + image.astype("<f4").tobytes()


def decode(record: bytes) -> tuple[str, np.ndarray, int]:
    """Decode the key, float32 image [h, w, c] and label of a record. Raises ValueError if it is not one."""
    magic, label, length, *shape = _HEAD.unpack_from(record)
    if magic != _MAGIC:
        raise ValueError(f"a record starts with {magic!r}, expected {_MAGIC!r}")
    key = record[_HEAD.size : _HEAD.size + length].decode()
    return key, np.frombuffer(record, "<f4", offset=_HEAD.size + length).reshape(shape), label
