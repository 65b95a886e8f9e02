"""`Batch`: a range of source examples; `stage` decodes one into the staging folder."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.job.holdout import rank
from kerneldistill.pipeline.sources.image_decoding import decode
from kerneldistill.pipeline.sources.ranges import Range, parse
from kerneldistill.pipeline.sources.record import BadRecord, Record, bad
from kerneldistill.pipeline.sources.source import Source
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.pipeline.storage.retry import ATTEMPTS, retry

Role = Literal["train", "test"]
ROLES: tuple[Role, ...] = ("train", "test")


@dataclass(frozen=True)
class Batch:
    """Examples start..stop-1 of a source split: the element that Beam deals out.

    role: whether it is read for training (and validation) or for test
    index: number of the batch within its role
    split: name of the source split
    start: first example
    stop: one past the last example
    """

    role: Role
    index: int
    split: str
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Staged:
    """A batch whose good images are decoded in the staging folder.

    batch: the range
    labels: int32 [n] of the good images
    ranks: uint64 [n] by which the validation images are drawn
    bad: the records that could not be used; n + len(bad) = stop - start
    """

    batch: Batch
    labels: np.ndarray
    ranks: np.ndarray
    bad: tuple[BadRecord, ...]


@dataclass(frozen=True, eq=False)
class Raw:
    """The good images of a batch.

    keys: str [n] stable names
    images: uint8 [n, h, w, c] pixels
    labels: int32 [n]
    """

    keys: np.ndarray
    images: np.ndarray
    labels: np.ndarray


def ranges_of(config: DataConfig, source: Source, role: Role) -> tuple[Range, ...]:
    """Find the examples of the source that are read for training, or for test."""
    return parse(config.train_split if role == "train" else config.test_split, source.splits, source.name)


def plan(config: DataConfig, source: Source, role: Role) -> Iterator[Batch]:
    """Cut the examples of a role into batches; the last of each range may be shorter."""
    ranges, size = ranges_of(config, source, role), config.batch_size
    starts = [(part, start) for part in ranges for start in range(part.start, part.stop, size)]
    for index, (part, start) in enumerate(starts):
        yield Batch(role, index, part.split, start, min(start + size, part.stop))


def stage(source: Source, batch: Batch, config: DataConfig, staging: epath.Path) -> Staged:
    """Read and decode a batch, once, and write its good images to the staging folder.

    One thread: at 32x32 Pillow gives up and takes back the interpreter lock so often that two threads decode fewer
    images a second than one (12,700 against 15,700). Beam's workers decode batches in parallel.

    Raises:
      DataError: the source itself cannot be read.
    """
    good: list[tuple[str, np.ndarray, int]] = []
    bads: list[BadRecord] = []
    for record in _read(source, batch):
        checked = _check(record, source, config)
        if isinstance(checked, BadRecord):
            bads.append(checked)
        else:
            good.append(checked)
    if len(good) + len(bads) != batch.stop - batch.start:
        raise DataError(
            f"{source.name} gave {len(good) + len(bads)} records for {batch}; its files do not match its index"
        )
    keys, images, labels = zip(*good, strict=True) if good else ((), (), ())
    raw = Raw(
        keys=np.array(keys, np.str_),
        images=np.array(images, np.uint8).reshape(-1, *source.image_shape),
        labels=np.array(labels, np.int32),
    )
    buffer = io.BytesIO()
    np.savez(buffer, keys=raw.keys, images=raw.images, labels=raw.labels)
    path = raw_path(staging, batch)
    retry(lambda: write_whole(path, buffer.getvalue()), f"writing {path}")
    return Staged(batch, raw.labels, np.array([rank(key, config.seed) for key in keys], np.uint64), tuple(bads))


def read_raw(staging: epath.Path, batch: Batch) -> Raw:
    """Read the good images of a staged batch."""
    path = raw_path(staging, batch)
    content = retry(path.read_bytes, f"reading {path}")
    with np.load(io.BytesIO(content)) as arrays:
        return Raw(arrays["keys"], arrays["images"], arrays["labels"])


def raw_path(staging: epath.Path, batch: Batch) -> epath.Path:
    """Name the file of a batch's decoded images."""
    return staging / "raw" / f"{batch.role}-{batch.index:05d}.npz"


def _read(source: Source, batch: Batch) -> list[Record | BadRecord]:
    what = f"reading {batch.split} {batch.start} to {batch.stop - 1} of {source.name}"
    try:
        return retry(lambda: list(source.read(batch.split, batch.start, batch.stop)), what)
    except OSError as error:
        raise DataError(f"{what} failed {ATTEMPTS} times: {error}; mend the storage and run it again") from error


def _check(record: Record | BadRecord, source: Source, config: DataConfig) -> tuple[str, np.ndarray, int] | BadRecord:
    if isinstance(record, BadRecord):
        return record
    if not 0 <= record.label < len(source.class_names):
        return bad(record.key, f"label is {record.label}, expected 0 to {len(source.class_names) - 1}", record.image)
    try:
        image = decode(record.image, source.image_shape, config.resize, config.channels is not None)
        return record.key, image, record.label
    except ValueError as error:
        return bad(record.key, f"image {error}", record.image)
