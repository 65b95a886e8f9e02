"""A folder for the Hugging Face hub: one parquet file and a data set card. `datasets.load_dataset(FOLDER)` reads it.

    data/train-00000-of-00001.parquet
      image         PNG of the pixels, 8 bits: what the hub shows
      label         int64 the largest of the labels
      whitened      float32 [h * w * c] the image as it was learned: nothing is lost here
      soft_label    float32 [k] the labels as they were learned
    transform.npz   the whitening that `whitened` lives in, and its inverse
    README.md       the card

Types are said in the parquet's metadata as `datasets` does (key `huggingface`). Pages have a checksum, which is not
parquet's default, and the metadata, which has none, hold a sha256 of all numbers (key `kerneldistill`).
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from kerneldistill.bundle.formats.dataset_card import card
from kerneldistill.bundle.formats.export_source import ExportSource, ReadBack
from kerneldistill.bundle.formats.foreign_set import ForeignSet, Layout, foreign_set
from kerneldistill.bundle.formats.png import pixels, png
from kerneldistill.bundle.untrusted.limits import MAX_BYTES, MAX_IMAGES, read_limited
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole

_FILE = "data/train-00000-of-00001.parquet"


def write(source: ExportSource, folder: Path) -> tuple[ReadBack, ...]:
    """Write the parquet, the whitening and the card."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    source.check_channels("hf")
    path = folder / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        [
            pa.array([{"bytes": png(image), "path": None} for image in source.bytes], _image_type()),
            pa.array(source.hard_labels),
            _rows(source.bundle.images),
            _rows(source.bundle.labels),
        ],
        schema=_schema(source),
    )
    pq.write_table(table, path, write_page_checksum=True)
    source.bundle.whitener.save(folder / "transform.npz")
    write_whole(folder / "README.md", card(source).encode())
    return (
        ReadBack("column whitened", read(path), source.bundle.whitener, ""),
        ReadBack("column image", read(path, column="image"), source.normalised, source.lost_bits()),
    )


def detects(path: Path, head: bytes) -> bool:
    """Return whether a file is a parquet, or a folder holds one where `write` puts it."""
    return head == b"PAR1" or (path / _FILE).is_file()


def read(path: Path, layout: Layout | None = None, column: str = "whitened") -> ForeignSet:
    """Read such a parquet.

    Args:
      path: of the parquet, or of the folder.
      layout: of no use: what this program writes is NHWC.
      column: `whitened` with the soft labels, or `image` with the whole-number ones.

    Raises:
      UserError: it has not those columns and shapes, or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = path / _FILE if path.is_dir() else path
    file = pq.ParquetFile(pa.BufferReader(read_limited(path)), page_checksum_verification=True)
    size = sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
    if file.metadata.num_rows > MAX_IMAGES or size > MAX_BYTES:
        raise UserError(f"{path} unpacks to {size:,} bytes, allowed are {MAX_BYTES:,}: a distilled set is smaller")
    names = {"whitened": "soft_label", "image": "label"}
    table = file.read([column, names[column]])
    said = json.loads(file.schema_arrow.metadata[b"kerneldistill"])
    if column == "image":
        images = [pixels(cell["bytes"], f"{path}: image") for cell in table["image"].to_pylist()]
        return foreign_set("parquet, column image", np.stack(images), table["label"].to_numpy(), "NHWC")
    images, labels = (table[name].combine_chunks().flatten().to_numpy() for name in ("whitened", "soft_label"))
    if _digest(images, labels) != said["sha256"]:
        raise UserError(f"{path} is damaged: the sha256 of its numbers is not the one it holds; copy it again")
    rows = file.metadata.num_rows
    images = images.reshape(rows, *said["image_shape"])
    return foreign_set("parquet, column whitened", images, labels.reshape(rows, -1), "NHWC")


def _digest(images: np.ndarray, labels: np.ndarray) -> str:
    return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()


def _image_type() -> Any:
    import pyarrow as pa

    return pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])


def _rows(values: np.ndarray) -> Any:
    """Return [n, ...] as a column of lists of one length."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(values, np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values[0].size)


def _schema(source: ExportSource) -> Any:
    import pyarrow as pa

    images, labels = source.bundle.images, source.bundle.labels

    def floats(length: int) -> dict[str, object]:
        return {"feature": {"dtype": "float32", "_type": "Value"}, "length": length, "_type": "Sequence"}

    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(source.bundle.manifest.class_names), "_type": "ClassLabel"},
        "whitened": floats(images[0].size),
        "soft_label": floats(labels.shape[1]),
    }
    metadata = {
        "huggingface": json.dumps({"info": {"features": features}}),
        "kerneldistill": json.dumps({"image_shape": list(images.shape[1:]), "sha256": _digest(images, labels)}),
    }
    return pa.schema(
        [
            pa.field("image", _image_type()),
            pa.field("label", pa.int64()),
            pa.field("whitened", pa.list_(pa.float32(), images[0].size)),
            pa.field("soft_label", pa.list_(pa.float32(), labels.shape[1])),
        ],
        metadata=metadata,
    )
