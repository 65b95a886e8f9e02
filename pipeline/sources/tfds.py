"""Open a data set of TFDS, whichever format its files are in.

Labels are those of a ClassLabel, or whole numbers or texts, whose classes are then found by reading them all once.
"""

import os
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.sources.classes import MAX_CLASSES, class_names
from kerneldistill.pipeline.sources.extras import require_tensorflow
from kerneldistill.pipeline.sources.ranges import parse
from kerneldistill.pipeline.sources.shape import Declared, wanted_shape
from kerneldistill.pipeline.sources.tfds_files import TfdsFiles, data_files, forget_files, tfds_builder
from kerneldistill.pipeline.sources.tfds_folder import data_set_names, find_version
from kerneldistill.pipeline.sources.tfds_json import read_info
from kerneldistill.pipeline.sources.tfrecord import TfrecordFiles


def detects(path: epath.Path) -> bool:
    """Return whether a folder holds data sets of TFDS, prepared."""
    return path.is_dir() and bool(data_set_names(path))


def open_source(config: DataConfig) -> TfdsFiles:
    """Open the TFDS data set that `config` names.

    Raises:
      DataError: it is not there, is in a format that cannot be read, or lacks the features or splits asked for.
    """
    folder = find_version(config)
    forget_files()
    builder = tfds_builder(str(folder))
    file_format = read_info(folder).get("fileFormat", "tfrecord")
    kind = _format_class(file_format, folder)
    image = _feature(builder, config.image_key, "image_key")
    label = _feature(builder, config.label_key, "label_key")
    source = kind(
        name=config.name,
        version=str(builder.info.version),
        file_format=file_format,
        class_names=_listed_classes(label, config.label_key),
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
    return replace(source, class_names=class_names(chain(*map(source.raw_labels, used)), config.name))


def _check_files(source: TfdsFiles, config: DataConfig) -> list[str]:
    """List the source splits that are used. Raises DataError if a file of theirs is missing."""
    name, again = f"{source.name} {source.version}", f"prepare {config.name} with TFDS again"
    ranges = (parse(text, source.splits, name) for text in (config.train_split, config.test_split))
    used = sorted({part.split for parts in ranges for part in parts})
    for split in used:
        size = 0
        for path in data_files(source.folder, split):
            if os.fspath(path.parent) != source.folder:
                raise DataError(f"{source.folder}/dataset_info.json names files elsewhere: {str(path)!r:.80}; {again}")
            if not path.exists():
                raise DataError(f"{path} is missing; restore it or {again}")
            size += path.stat().length
        if source.splits[split] > size:  # each has a place of its own there
            raise DataError(
                f"{source.folder}/dataset_info.json says that {split} has {source.splits[split]:,} examples, its files "
                f"have {size:,} bytes; restore it or {again}"
            )
    return used


def _format_class(file_format: str, folder: epath.Path) -> type[TfdsFiles]:
    if file_format == "array_record":
        return TfdsFiles
    if file_format == "tfrecord":
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
    """Return (h, w, c) of an image feature, None where images differ."""
    shape: tuple[Any, ...] = tuple(feature.shape or ())
    shape = (*shape, 1) if len(shape) == 2 else shape
    if len(shape) != 3 or np.dtype(feature.np_dtype) != np.uint8:
        raise DataError(
            f"feature {key!r} is {np.dtype(feature.np_dtype)} {feature.shape}; needed: uint8 images; "
            "name another image_key"
        )
    return shape


def _listed_classes(feature: Any, key: str) -> tuple[str, ...]:
    """Return the names of the classes of a ClassLabel; none of another feature."""
    count = getattr(feature, "num_classes", None) or 0
    if count > MAX_CLASSES:
        raise DataError(f"feature {key!r} has {count:,} classes; allowed: {MAX_CLASSES:,}; name another label_key")
    return tuple(feature.names) if count else ()


def _check_label(feature: Any, key: str) -> None:
    kind = np.dtype(feature.np_dtype).kind
    if feature.shape != () or kind not in "iuOSU" or type(feature).__name__ == "Image":
        raise DataError(
            f"feature {key!r} is {type(feature).__name__}; needed: a ClassLabel, a whole number or a text; "
            "name another label_key"
        )
    if kind in "iu" and np.dtype(feature.get_serialized_info().np_dtype).kind not in "iu":
        raise DataError(f"feature {key!r} is compressed; needed: plain numbers; name another label_key")
