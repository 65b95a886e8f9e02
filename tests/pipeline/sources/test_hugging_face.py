"""Read data sets of Hugging Face datasets on disk, written here as that library writes them."""

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kerneldistill.pipeline import DataConfig, DataError
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.pipeline.sources.record import BadRecord
from tests.helpers.tiny_tfds import SHAPE, picture

IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
FEATURES = {"photo": {"_type": "Image"}, "kind": {"names": ["ant", "bee", "cat"], "_type": "ClassLabel"}}
PICTURES = [picture(number, "PNG") for number in range(12)]


def table(rows: range, said: bool = True, **columns: Any) -> pa.Table:
    cells = {
        "photo": pa.array([{"bytes": PICTURES[row], "path": f"{row}.png"} for row in rows], IMAGE),
        "kind": pa.array([row % 3 for row in rows]),
        **columns,
    }
    metadata = {"huggingface": json.dumps({"info": {"features": FEATURES}})} if said else None
    return pa.table(cells).replace_schema_metadata(metadata)


def save(folder: Path, *tables: pa.Table, compression: str | None = None) -> Path:
    """What Dataset.save_to_disk writes."""
    folder.mkdir(parents=True)
    names = [f"data-{number:05d}-of-{len(tables):05d}.arrow" for number in range(len(tables))]
    for name, part in zip(names, tables, strict=True):
        options = pa.ipc.IpcWriteOptions(compression=compression)
        with pa.ipc.new_stream(str(folder / name), part.schema, options=options) as writer:
            writer.write_table(part, max_chunksize=4)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    return folder


def opened(path: Path, **changes: Any):
    return open_source(DataConfig(**{"name": "auto", "source": "auto", "dir": str(path), **changes}))


def saved_dict(folder: Path) -> None:
    save(folder / "train", table(range(5)), table(range(5, 9)))
    save(folder / "test", table(range(9, 12)))
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))


def parquets(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    for number, rows in enumerate((range(5), range(5, 9))):
        pq.write_table(table(rows), folder / "data" / f"train-{number:05d}-of-00002.parquet", row_group_size=2)
    pq.write_table(table(range(9, 12)), folder / "data" / "test-00000-of-00001.parquet")


@pytest.mark.parametrize("write", [saved_dict, parquets])
def test_both_layouts_are_read(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "pets")
    source = opened(tmp_path / "pets")
    assert (source.name, source.file_format, source.class_names) == ("pets", "hf", ("ant", "bee", "cat"))
    assert (source.image_shape, dict(source.splits)) == (SHAPE, {"train": 9, "test": 3})
    for start, stop in ((0, 9), (3, 7), (5, 6)):
        records = list(source.read("train", start, stop))
        assert [record.image for record in records] == PICTURES[start:stop]
        assert [record.label for record in records] == [row % 3 for row in range(start, stop)]
    assert [record.image for record in source.read("test", 1, 3)] == PICTURES[10:]
    assert source.fingerprint(["train"]) != source.fingerprint(["test"])


def test_one_split_is_dealt_and_labels_may_be_texts(tmp_path: Path) -> None:
    kinds = pa.array(["cat", "owl"] * 6)
    save(tmp_path / "pets", table(range(12), said=False, kind=kinds).rename_columns(["image", "label"]))
    source = opened(tmp_path / "pets")
    assert (source.class_names, dict(source.splits)) == (("cat", "owl"), {"train": 10, "test": 2})
    assert sorted(source.labels("test").tolist()) == [0, 1]


def test_images_that_are_only_named_and_labels_below_zero_are_bad_records(tmp_path: Path) -> None:
    cells = [{"bytes": None, "path": "/etc/passwd"}, *({"bytes": content, "path": None} for content in PICTURES[1:])]
    kinds = pa.array([0, -1, *(row % 3 for row in range(2, 12))])
    save(tmp_path / "pets", table(range(12), photo=pa.array(cells, IMAGE), kind=kinds))
    source = opened(tmp_path / "pets", train_split="all[:9]", test_split="all[9:]")
    reasons = [record.reason for record in source.read("all", 0, 12) if isinstance(record, BadRecord)]
    assert reasons == ["image is not in the file: save it with its bytes", "label is none of the classes"]


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_packed_stream_is_refused(compression: str, tmp_path: Path) -> None:
    save(tmp_path / "pets", table(range(12)), compression=compression)
    with pytest.raises(DataError, match=r"\.arrow is packed or has a dictionary: write it with save_to_disk"):
        opened(tmp_path / "pets")


def test_a_parquet_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerneldistill.pipeline.untrusted.arrow_rows._MAX_GROUP", 300)
    parquets(tmp_path / "pets")
    with pytest.raises(
        DataError, match=r"has a row group that unpacks to [\d,]+ bytes and a page of [\d,]+, allowed are 300"
    ):
        opened(tmp_path / "pets")


@pytest.mark.parametrize("name", ["../secret.arrow", "/etc/passwd", "a\x1b[2J"])
def test_a_file_elsewhere_is_not_read(name: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "pets", table(range(12)))
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    with pytest.raises(DataError, match=r"state\.json lists no files of its own as '_data_files'; save the data set"):
        opened(folder)


@pytest.mark.parametrize("write", [saved_dict, parquets])
def test_damage_is_one_error_in_words(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "pets")
    file = next(path for path in sorted((tmp_path / "pets").rglob("*")) if path.suffix in (".arrow", ".parquet"))
    content = file.read_bytes()
    for length in (0, 3, 20, len(content) // 2):
        file.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"is damaged") as caught:
            opened(tmp_path / "pets")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("write", [saved_dict, parquets])
def test_flipped_bits_end_in_one_error_or_in_rows(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "pets")
    rng, files = random.Random(0), [path for path in (tmp_path / "pets").rglob("*.*") if path.suffix != ".json"]
    for _ in range(60):
        file = rng.choice(files)
        content = file.read_bytes()
        damaged = bytearray(content)
        damaged[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        file.write_bytes(damaged)
        with contextlib.suppress(DataError):
            source = opened(tmp_path / "pets")
            for split, number in source.splits.items():
                assert len(list(source.read(split, 0, number))) == number
        file.write_bytes(content)


def test_columns_that_cannot_be_told(tmp_path: Path) -> None:
    save(tmp_path / "pets", table(range(12), said=False))
    with pytest.raises(DataError, match=r"data\.image_key is 'image'; the columns are photo, kind: name one of them"):
        opened(tmp_path / "pets")
    assert opened(tmp_path / "pets", image_key="photo", label_key="kind").class_names == ("0", "1", "2")
