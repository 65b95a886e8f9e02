"""`TfdsFiles`: a data set in TFDS's folders and array_record files, read without TensorFlow."""

import functools
import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import DataConfig
from pipeline.errors import DataError, first_line
from pipeline.files import sha256
from pipeline.record import BadRecord, Record, bad
from pipeline.source import Source
from pipeline.sources.extras import require_tensorflow
from pipeline.sources.tfds_folder import find


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
        features = _features(self.folder, self.image_key, self.label_key)
        for index, raw in enumerate(self._raw(split, start, stop), start):
            yield _record(f"{split}/{index:07d}", raw, features, self.image_key, self.label_key)

    def fingerprint(self, splits: Sequence[str]) -> str:
        """Of features.json and of the data files, whole: about a second per gigabyte."""
        digest = hashlib.sha256(sha256(Path(self.folder, "features.json")).encode())
        for split in splits:
            for path in _files(self.folder, split):
                digest.update(f"{split} {path.name} {sha256(path)}\n".encode())
        return digest.hexdigest()

    def _raw(self, split: str, start: int, stop: int) -> Sequence[bytes]:
        """Serialised examples start..stop-1."""
        try:
            return _array_records(self.folder, split).__getitems__(list(range(start, stop)))
        except (RuntimeError, OSError, IndexError, ValueError) as error:
            raise DataError(self._unreadable(split, start, stop, first_line(error))) from error

    def _unreadable(self, split: str, start: int, stop: int, reason: str) -> str:
        return f"{self.folder}: records {start} to {stop - 1} of {split} cannot be read ({reason}); restore its files"


def open_tfds(config: DataConfig) -> TfdsFiles:
    """The TFDS data set that `config` names.

    Raises:
      DataError: it is not there, is in a format that cannot be read, or lacks the features or splits asked for.
    """
    folder = find(config)
    # The folder may hold other data than when this process last read it.
    for cached in (tfds_builder, _features, _array_records):
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
        class_names=_class_names(label, config.label_key),
        image_shape=_image_shape(image, config.image_key),
        splits={name: info.num_examples for name, info in builder.info.splits.items()},
        folder=str(folder),
        image_key=config.image_key,
        label_key=config.label_key,
    )
    for split in (config.train_split, config.test_split):
        source.num_examples(split)
        for path in _files(str(folder), split):
            if not path.exists():
                raise DataError(f"{path} is missing; restore it or prepare {config.name} with TFDS again")
    return source


def _reader(file_format: str, folder: Path) -> type[TfdsFiles]:
    if file_format == "array_record":
        return TfdsFiles
    if file_format == "tfrecord":
        from pipeline.sources.tfrecord import TfrecordFiles

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


def _image_shape(feature: Any, key: str) -> tuple[int, int, int]:
    shape = tuple(feature.shape or ())
    shape = (*shape, 1) if len(shape) == 2 else shape
    if len(shape) != 3 or None in shape or shape[2] not in (1, 3, 4) or np.dtype(feature.np_dtype) != np.uint8:
        raise DataError(
            f"feature {key!r} is {np.dtype(feature.np_dtype)} {feature.shape}; needed: uint8 images, all of one size, "
            "of 1, 3 or 4 channels; resize them first or name another image_key"
        )
    return shape


def _class_names(feature: Any, key: str) -> tuple[str, ...]:
    names = getattr(feature, "names", None)
    if not names:
        raise DataError(f"feature {key!r} is {type(feature).__name__}; needed: a ClassLabel; name another label_key")
    return tuple(names)


def _record(key: str, raw: bytes, features: Any, image_key: str, label_key: str) -> Record | BadRecord:
    import tensorflow_datasets as tfds
    from google.protobuf.message import DecodeError

    try:
        example = features.deserialize_example_np(raw, decoders={image_key: tfds.decode.SkipDecoding()})
        return Record(key, example[image_key], int(example[label_key]))
    except (DecodeError, KeyError, TypeError, ValueError) as error:
        return bad(key, f"is not an example with {image_key!r} and {label_key!r}: {first_line(error)}", raw)


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


@functools.cache
def _array_records(folder: str, split: str) -> Any:
    import tensorflow_datasets as tfds

    return tfds_builder(folder).as_data_source(split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES)


def _files(folder: str, split: str) -> list[Path]:
    return [Path(path) for path in tfds_builder(folder).info.splits[split].filepaths]
