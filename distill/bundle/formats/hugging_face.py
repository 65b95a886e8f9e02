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

import numpy as np

from kerneldistill.bundle.formats.dataset_card import card
from kerneldistill.bundle.formats.export_source import Copy, Exported, folder_of
from kerneldistill.bundle.formats.foreign_set import ForeignSet, Layout, foreign_set
from kerneldistill.bundle.formats.image_folder import check_channels, lost_bits
from kerneldistill.bundle.formats.png import pixels, png
from kerneldistill.bundle.untrusted.limits import MAX_BYTES, MAX_IMAGES, read_limited
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole

FILE = "data/train-00000-of-00001.parquet"


def write(exported: Exported, folder: Path) -> tuple[Copy, ...]:
    """Writes the parquet, the whitening and the card."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_channels(exported, "hf")
    path = folder / FILE
    folder_of(path.parent)
    table = pa.table(
        [
            pa.array([{"bytes": png(image), "path": None} for image in exported.bytes], _IMAGE(pa)),
            pa.array(exported.hard_labels),
            _rows(pa, exported.bundle.images),
            _rows(pa, exported.bundle.labels),
        ],
        schema=_schema(pa, exported),
    )
    pq.write_table(table, path, write_page_checksum=True)
    exported.bundle.whitener.save(folder / "transform.npz")
    write_whole(folder / "README.md", card(exported).encode())
    return (
        Copy("column whitened", read(path), exported.bundle.whitener, ""),
        Copy("column image", read(path, column="image"), exported.normalised, lost_bits(exported)),
    )


def read(path: Path, layout: Layout | None = None, column: str = "whitened") -> ForeignSet:
    """Reads such a parquet.

    Args:
      path: of the parquet.
      layout: of no use: what this program writes is NHWC.
      column: `whitened` with the soft labels, or `image` with the whole-number ones.

    Raises:
      UserError: it has not those columns and shapes, or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

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


def _IMAGE(pa):  # noqa: N802
    return pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])


def _rows(pa, values: np.ndarray):
    """[n, ...] as a column of lists of one length."""
    flat = pa.array(np.ascontiguousarray(values, np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values[0].size)


def _schema(pa, exported: Exported):
    images, labels = exported.bundle.images, exported.bundle.labels

    def floats(length: int) -> dict[str, object]:
        return {"feature": {"dtype": "float32", "_type": "Value"}, "length": length, "_type": "Sequence"}

    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(exported.bundle.manifest.class_names), "_type": "ClassLabel"},
        "whitened": floats(images[0].size),
        "soft_label": floats(labels.shape[1]),
    }
    metadata = {
        "huggingface": json.dumps({"info": {"features": features}}),
        "kerneldistill": json.dumps({"image_shape": list(images.shape[1:]), "sha256": _digest(images, labels)}),
    }
    return pa.schema(
        [
            pa.field("image", _IMAGE(pa)),
            pa.field("label", pa.int64()),
            pa.field("whitened", pa.list_(pa.float32(), images[0].size)),
            pa.field("soft_label", pa.list_(pa.float32(), labels.shape[1])),
        ],
        metadata=metadata,
    )
