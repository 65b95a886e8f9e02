"""A small TFDS data set in array_record files, written without TensorFlow."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

NUM_CLASSES = 3
SHAPE = (6, 5, 3)
Example = tuple[bytes, int | str]


def picture(seed: int, kind: str = "JPEG", shape: tuple[int, int, int] = SHAPE) -> bytes:
    """Encode a picture of random pixels."""
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, kind)
    return buffer.getvalue()


def examples(count: int, seed: int = 0) -> list[Example]:
    """Make random pictures with labels in turn."""
    return [(picture(seed * 1000 + i), i % NUM_CLASSES) for i in range(count)]


def write_tfds(
    data_dir: Path,
    splits: Mapping[str, Sequence[Example]],
    file_format: str = "array_record",
    version: str = "1.0.0",
    label: Literal["class", "number", "text"] = "class",
    shape: tuple[int | None, int | None, int | None] = SHAPE,
) -> Path:
    """Write the data set `tiny`; return the folder of its version."""
    import tensorflow_datasets as tfds
    from array_record.python import array_record_module

    folder = data_dir / "tiny" / version
    folder.mkdir(parents=True)
    labels = {
        "class": tfds.features.ClassLabel(names=["a", "b", "c"]),
        "number": tfds.features.Scalar(np.int64),
        "text": tfds.features.Text(),
    }
    features = tfds.features.FeaturesDict({"image": tfds.features.Image(shape=shape), "label": labels[label]})
    features.save_config(folder)
    for split, records in splits.items():
        writer = array_record_module.ArrayRecordWriter(
            str(folder / f"tiny-{split}.{file_format}-00000-of-00001"), "group_size:1"
        )
        for image, value in records:
            writer.write(_serialise(image, value))
        writer.close()
    infos = [
        {
            "name": split,
            "shardLengths": [str(len(records))],
            "numBytes": "1",
            "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        }
        for split, records in splits.items()
    ]
    info = {"name": "tiny", "version": version, "fileFormat": file_format, "splits": infos}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return folder


def _serialise(image: bytes, label: int | str) -> bytes:
    """Serialise a tf.Example, built by hand because TFDS refuses the broken ones that the tests need."""
    from tensorflow_datasets.proto import tf_example_pb2

    example = tf_example_pb2.Example()
    example.features.feature["image"].bytes_list.value.append(image)
    if isinstance(label, str):
        example.features.feature["label"].bytes_list.value.append(label.encode())
    else:
        example.features.feature["label"].int64_list.value.append(label)
    return example.SerializeToString(deterministic=True)
