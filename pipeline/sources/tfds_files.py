"""`TfdsFiles`: a data set in TFDS's folders and array_record files, read without TensorFlow.

Labels are those of a ClassLabel, or whole numbers or texts, whose classes are then found by reading them all once.
"""

import contextlib
import functools
import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from etils import epath
from google.protobuf.message import DecodeError

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.sources.classes import class_names, name_of
from kerneldistill.pipeline.sources.extras import require_tensorflow
from kerneldistill.pipeline.sources.ranges import parse
from kerneldistill.pipeline.sources.record import BadRecord, Record, bad
from kerneldistill.pipeline.sources.shape import Declared, wanted_shape
from kerneldistill.pipeline.sources.source import Source
from kerneldistill.pipeline.sources.tfds_folder import find
from kerneldistill.pipeline.storage.files import forget_local, kept_local, sha256

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

    def labels(self, split: str) -> Iterator[object]:
        """Every label of `split` that can be read."""
        for start in range(0, self.splits[split], _LABELS):
            for raw in self._raw(split, start, min(start + _LABELS, self.splits[split])):
                with contextlib.suppress(DecodeError, KeyError, TypeError, ValueError):
                    yield self._example(raw)[1]

    def fingerprint(self, splits: Sequence[str]) -> str:
        """Of features.json and of the data files, whole: about a second per gigabyte."""
        digest = hashlib.sha256(sha256(epath.Path(self.folder) / "features.json").encode())
        for split in splits:
            for path in _files(self.folder, split):
                digest.update(f"{split} {path.name} {sha256(path)}\n".encode())
        return digest.hexdigest()

    def _raw(self, split: str, start: int, stop: int) -> Sequence[bytes]:
        """Serialised examples start..stop-1."""
        records: list[bytes] = []
        try:
            for part in tfds_builder(self.folder).info.splits[f"{split}[{start}:{stop}]"].file_instructions:
                records += _reader_of(part.filename).read(part.skip, part.skip + part.take)
        except (RuntimeError, IndexError, ValueError) as error:
            raise DataError(self._unreadable(split, start, stop, first_line(error))) from error
        return records

    def _example(self, raw: bytes) -> tuple[bytes | np.ndarray, object]:
        """Image, encoded or not, and label of a serialised example."""
        import tensorflow_datasets as tfds

        features = _features(self.folder, self.image_key, self.label_key)
        example = features.deserialize_example_np(raw, decoders={self.image_key: tfds.decode.SkipDecoding()})
        return example[self.image_key], example[self.label_key]

    def _unreadable(self, split: str, start: int, stop: int, reason: str) -> str:
        return f"{self.folder}: records {start} to {stop - 1} of {split} cannot be read ({reason}); restore its files"


def open_tfds(config: DataConfig) -> TfdsFiles:
    """The TFDS data set that `config` names.

    Raises:
      DataError: it is not there, is in a format that cannot be read, or lacks the features or splits asked for.
    """
    folder = find(config)
    # The folder may hold other data than when this process last read it.
    forget_local()
    for cached in (tfds_builder, _features, _reader_of):
        cached.cache_clear()
    builder = tfds_builder(str(folder))
    file_format = json.loads((folder / "dataset_info.json").read_text()).get("fileFormat", "tfrecord")
    kind = _reader(file_format, folder)
    image = _feature(builder, config.image_key, "image_key")
    label = _feature(builder, config.label_key, "label_key")
    source = kind(
        name=config.name,
        version=str(builder.info.version),
        file_format=file_format,
        class_names=tuple(getattr(label, "names", None) or ()),
        image_shape=wanted_shape(config, _declared(image, config.image_key), config.name),
        splits={name: info.num_examples for name, info in builder.info.splits.items()},
        folder=str(folder),
        image_key=config.image_key,
        label_key=config.label_key,
    )
    used = _check_files(source, config)
    if source.class_names:
        return source
    _check_label(label, config.label_key)
    return replace(source, class_names=class_names(chain(*map(source.labels, used)), config.name))


def _check_files(source: TfdsFiles, config: DataConfig) -> list[str]:
    """The source splits that are used, whose files are there."""
    name = f"{source.name} {source.version}"
    ranges = (parse(text, source.splits, name) for text in (config.train_split, config.test_split))
    used = sorted({part.split for parts in ranges for part in parts})
    for split in used:
        for path in _files(source.folder, split):
            if not path.exists():
                raise DataError(f"{path} is missing; restore it or prepare {config.name} with TFDS again")
    return used


def _reader(file_format: str, folder: epath.Path) -> type[TfdsFiles]:
    if file_format == "array_record":
        return TfdsFiles
    if file_format == "tfrecord":
        from kerneldistill.pipeline.sources.tfrecord import TfrecordFiles

        require_tensorflow(
            f"{folder} is in the format tfrecord: reading it",
            "prepare it again with download_and_prepare(file_format='array_record')",
        )
        return TfrecordFiles
    reason = {"parquet": "TFDS 4.9 loses rows when it writes it"}.get(file_format, "it has no random access by index")
    raise DataError(
        f"{folder} is in the format {file_format}: {reason}; allowed: array_record, tfrecord; "
        "prepare it again with download_and_prepare(file_format='array_record')"
    )


def _feature(builder: Any, key: str, field: str) -> Any:
    features = builder.info.features
    if key not in features:
        raise DataError(f"data.{field} is {key!r}; {builder.info.name} has the features: {', '.join(sorted(features))}")
    return features[key]


def _declared(feature: Any, key: str) -> Declared:
    """(h, w, c) of an image feature, None where images differ."""
    shape = tuple(feature.shape or ())
    shape = (*shape, 1) if len(shape) == 2 else shape
    if len(shape) != 3 or np.dtype(feature.np_dtype) != np.uint8:
        raise DataError(
            f"feature {key!r} is {np.dtype(feature.np_dtype)} {feature.shape}; needed: uint8 images; "
            "name another image_key"
        )
    return shape


def _check_label(feature: Any, key: str) -> None:
    kind = np.dtype(feature.np_dtype).kind
    if feature.shape != () or kind not in "iuOSU" or type(feature).__name__ == "Image":
        raise DataError(
            f"feature {key!r} is {type(feature).__name__}; needed: a ClassLabel, a whole number or a text; "
            "name another label_key"
        )


def _is_class_label(folder: str, label_key: str) -> bool:
    return bool(getattr(tfds_builder(folder).info.features[label_key], "names", None))


@functools.cache
def tfds_builder(folder: str) -> Any:
    """TFDS's view of a data set on disk. Raises DataError when its two JSON files cannot be read."""
    import tensorflow_datasets as tfds
    from google.protobuf.json_format import ParseError

    try:
        with warnings.catch_warnings():
            # TFDS 4.9.10 asks protobuf 6 in a way that protobuf would like changed.
            warnings.filterwarnings("ignore", r"label\(\) is deprecated", DeprecationWarning)
            return tfds.builder_from_directory(folder)
    except (OSError, ValueError, KeyError, ParseError) as error:
        reason = first_line(error)
        raise DataError(f"{folder} is not a readable TFDS data set ({reason}); prepare it with TFDS again") from error


@functools.cache
def _features(folder: str, image_key: str, label_key: str) -> Any:
    """The two features that are used; others (ids, texts) are then not decoded."""
    import tensorflow_datasets as tfds

    features = tfds_builder(folder).info.features
    return tfds.features.FeaturesDict({key: features[key] for key in (image_key, label_key)})


@functools.lru_cache(maxsize=16)
def _reader_of(filename: str) -> Any:
    """An open array_record file."""
    from array_record.python import array_record_module

    return array_record_module.ArrayRecordReader(kept_local(os.fspath(filename)))


def _files(folder: str, split: str) -> list[epath.Path]:
    return [epath.Path(path) for path in tfds_builder(folder).info.splits[split].filepaths]
