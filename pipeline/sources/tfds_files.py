"""`TfdsFiles`: a data set in TFDS's folders and array_record files, read without TensorFlow."""

import contextlib
import functools
import hashlib
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from etils import epath
from google.protobuf.message import DecodeError

from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.sources.classes import name_of
from kerneldistill.pipeline.sources.record import BadRecord, Record, bad
from kerneldistill.pipeline.sources.source import Source
from kerneldistill.pipeline.sources.tfds_json import read_info
from kerneldistill.pipeline.storage.files import forget_local, kept_local, sha256
from kerneldistill.pipeline.untrusted.array_records import ArrayRecords

# Labels read at once, where the classes are found by reading them all.
_LABELS = 1000


@dataclass(frozen=True)
class TfdsFiles(Source):
    """A TFDS data set on disk.

    folder: of the version, with features.json and dataset_info.json
    image_key: name of the image feature
    label_key: name of the label feature
    """

    folder: str
    image_key: str
    label_key: str

    def read(self, split: str, start: int, stop: int) -> Iterator[Record | BadRecord]:
        index = None if _is_class_label(self.folder, self.label_key) else self.class_names.index
        for row, raw in enumerate(self._raw(split, start, stop), start):
            key = f"{split}/{row:07d}"
            try:
                image, label = self._example(raw)
                yield Record(key, image, int(label) if index is None else index(name_of(label) or ""))
            except (DecodeError, KeyError, TypeError, ValueError) as error:
                reason = f"is not an example with {self.image_key!r} and {self.label_key!r}: {first_line(error)}"
                yield bad(key, reason, raw)

    def raw_labels(self, split: str) -> Iterator[object]:
        """Yield every label of `split` that can be read."""
        for start in range(0, self.splits[split], _LABELS):
            for raw in self._raw(split, start, min(start + _LABELS, self.splits[split])):
                with contextlib.suppress(DecodeError, KeyError, TypeError, ValueError):
                    yield self._example(raw)[1]

    def fingerprint(self, splits: Sequence[str]) -> str:
        """Hash features.json and the data files, whole: about a second per gigabyte."""
        digest = hashlib.sha256(sha256(epath.Path(self.folder) / "features.json").encode())
        for split in splits:
            for path in data_files(self.folder, split):
                digest.update(f"{split} {path.name} {sha256(path)}\n".encode())
        return digest.hexdigest()

    def _raw(self, split: str, start: int, stop: int) -> Iterator[bytes]:
        """Read the serialised examples start..stop-1."""
        for part in tfds_builder(self.folder).info.splits[f"{split}[{start}:{stop}]"].file_instructions:
            yield from _records_of(part.filename).read(part.skip, part.skip + part.take)

    def _example(self, raw: bytes) -> tuple[bytes | np.ndarray, Any]:
        """Split a serialised example into its image, encoded or not, and its label."""
        import tensorflow_datasets as tfds

        features = _features(self.folder, self.image_key, self.label_key)
        example = features.deserialize_example_np(raw, decoders={self.image_key: tfds.decode.SkipDecoding()})
        return example[self.image_key], example[self.label_key]


def _is_class_label(folder: str, label_key: str) -> bool:
    return bool(getattr(tfds_builder(folder).info.features[label_key], "num_classes", None))


@functools.cache
def tfds_builder(folder: str) -> Any:
    """Open TFDS's view of a data set on disk. Raises DataError if its two JSON files are not those of one."""
    import tensorflow_datasets as tfds

    read_info(epath.Path(folder))
    try:
        with warnings.catch_warnings():
            # TFDS 4.9.10 asks protobuf 6 in a way that protobuf would like changed.
            warnings.filterwarnings("ignore", r"label\(\) is deprecated", DeprecationWarning)
            return tfds.builder_from_directory(folder)
    except Exception as error:  # of any class: it depends on what is wrong
        reason = first_line(error)
        raise DataError(f"{folder} is not a readable TFDS data set ({reason}); prepare it with TFDS again") from error


@functools.cache
def _features(folder: str, image_key: str, label_key: str) -> Any:
    """Keep the two features that are used, so that others (ids, texts) are not decoded."""
    import tensorflow_datasets as tfds

    features = tfds_builder(folder).info.features
    return tfds.features.FeaturesDict({key: features[key] for key in (image_key, label_key)})


@functools.lru_cache(maxsize=16)
def _records_of(filename: str) -> ArrayRecords:
    """Open an array_record file, and keep it open."""
    return ArrayRecords(kept_local(os.fspath(filename)))


def data_files(folder: str, split: str) -> list[epath.Path]:
    """List the files of a split."""
    return [epath.Path(path) for path in tfds_builder(folder).info.splits[split].filepaths]


def forget_files() -> None:
    """Close all files and forget what was read of them: a folder may hold other data than when it was last read."""
    forget_local()
    for cached in (tfds_builder, _features, _records_of):
        cached.cache_clear()
