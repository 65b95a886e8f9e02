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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from kerneldistill.bundle.formats.dataset_card import card
from kerneldistill.bundle.formats.export_source import ExportSource, ReadBack
from kerneldistill.bundle.formats.foreign_set import ForeignSet, Layout, foreign_set
from kerneldistill.bundle.formats.png import pixels, png
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.pipeline.untrusted.document import read_json
from kerneldistill.pipeline.untrusted.file import opened
from kerneldistill.pipeline.untrusted.limits import MAX_BYTES, MAX_IMAGES
from kerneldistill.pipeline.untrusted.parquet_pages import open_parquet, pages_of

_FILE = "data/train-00000-of-00001.parquet"
_BATCH = 1000


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
    # Neither compressed nor in a dictionary: so a stranger's is refused that would unpack to more than it is.
    pq.write_table(table, path, write_page_checksum=True, compression="none", use_dictionary=False)
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

    path = path / _FILE if path.is_dir() else path
    names = {"whitened": "soft_label", "image": "label"}
    with opened(path) as stream:
        _check_pages(stream, path, (column, names[column]))
        file = open_parquet(stream)
        _check_size(file, path, (column, names[column]))
        table = pa.Table.from_batches(_rows_of(file, path, [column, names[column]]))
        said = read_json(file.schema_arrow.metadata[b"kerneldistill"], f"{path}: metadata")
    if column == "image":
        images = [pixels(cell["bytes"], f"{path}: image") for cell in table["image"].to_pylist()]
        return foreign_set("parquet, column image", np.stack(images), table["label"].to_numpy(), "NHWC")
    images, labels = (table[name].combine_chunks().flatten().to_numpy() for name in ("whitened", "soft_label"))
    if _digest(images, labels) != said["sha256"]:
        raise UserError(f"{path} is damaged: the sha256 of its numbers is not the one it holds; copy it again")
    rows = len(table)
    images = images.reshape(rows, *said["image_shape"])
    return foreign_set("parquet, column whitened", images, labels.reshape(rows, -1), "NHWC")


def _check_pages(stream: IO[bytes], path: Path, columns: Sequence[str]) -> None:
    """Refuse a column that would be unpacked to more than it is, or that says it has too many values."""
    for pages in pages_of(stream, columns):
        chunks = [column.chunk for column in pages]
        if any(chunk.compression != "UNCOMPRESSED" or "DICTIONARY" in str(chunk.encodings) for chunk in chunks):
            raise UserError(
                f"{path} is compressed, which is not read from strangers: write it again with kdistill export"
            )
        if any(4 * column.values > MAX_BYTES for column in pages):
            raise UserError(f"{path} unpacks to more than {MAX_BYTES:,} bytes: a distilled set is smaller")


def _check_size(file: Any, path: Path, columns: Sequence[str]) -> None:
    """Refuse too many rows, or too long ones."""
    meta, schema = file.metadata, file.schema_arrow
    wide = max((getattr(schema.field(name).type, "list_size", 1) for name in columns), default=1)
    if meta.num_rows > MAX_IMAGES or 4 * wide * meta.num_rows > MAX_BYTES:
        raise UserError(f"{path} unpacks to more than {MAX_BYTES:,} bytes: a distilled set is smaller")


def _rows_of(file: Any, path: Path, columns: list[str]) -> Iterator[Any]:
    """Yield the rows in batches; stop where they are more than the file is."""
    held, most = 0, 2 * path.stat().st_size
    for batch in file.iter_batches(batch_size=_BATCH, columns=columns):
        if (held := held + batch.nbytes) > most:
            raise UserError(f"{path} unpacks to more than twice its size: it is no set that kerneldistill exported")
        yield batch


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
