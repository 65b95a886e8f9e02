"""Test what sources read, and what they say when they cannot."""

import importlib.util
import json
import shutil
import socket
import typing
from types import SimpleNamespace

import numpy as np
import pytest
from array_record.python import array_record_module

from kerneldistill import pipeline
from kerneldistill.pipeline import DataConfig, DataError
from kerneldistill.pipeline.sources import download
from kerneldistill.pipeline.sources.detection import module_of
from kerneldistill.pipeline.sources.image_decoding import decode
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.pipeline.sources.record import BadRecord, Record
from kerneldistill.pipeline.sources.registry import BUILT_IN, SOURCES
from kerneldistill.pipeline.sources.source import Source
from tests.helpers.tiny_tfds import examples, picture, write_tfds


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("tfds")
    write_tfds(data_dir, {"train": examples(12), "test": examples(6, seed=1)}, version="1.9.0")
    write_tfds(data_dir, {"train": examples(12), "test": examples(5, seed=1)}, version="1.10.0")
    return data_dir


def _config(data_dir, **changes) -> DataConfig:
    return DataConfig(**{"name": "tiny", "dir": str(data_dir), **changes})


def test_digits():
    source = open_source(DataConfig())
    train = list(source.read("train", 0, 2000))
    test = list(source.read("test", 0, 2000))
    assert (len(train), len(test)) == (1437, 360) == (source.num_examples("train"), source.num_examples("test"))
    assert len({record.key for record in train + test}) == 1797
    assert next(source.read("train", 10, 13)).key == train[10].key
    from sklearn.datasets import load_digits

    total = sum(int(record.image.sum(dtype=np.int64)) for record in train + test)
    assert total == np.rint(load_digits().images * 255 / 16).sum()


def test_tfds_takes_the_newest_version(data_dir):
    source = open_source(_config(data_dir))
    assert (source.version, source.num_examples("test")) == ("1.10.0", 5)
    assert (source.image_shape, source.class_names, source.file_format) == ((6, 5, 3), ("a", "b", "c"), "array_record")
    assert open_source(_config(data_dir, version="1.9.0")).num_examples("test") == 6


@pytest.mark.parametrize(
    ("label", "values", "names"),
    [
        ("number", [30, 4, 4, 100], ("4", "30", "100")),
        ("text", ["owl", "cat", "cat", "Ant"], ("Ant", "cat", "owl")),
    ],
)
def test_tfds_labels_without_names_are_their_own(tmp_path, label, values, names):
    records = [(picture(row), value) for row, value in enumerate(values)]
    write_tfds(tmp_path, {"train": records[:3], "test": records[3:]}, label=label)
    source = open_source(_config(tmp_path))
    assert source.class_names == names
    found = [record.label for split in ("train", "test") for record in source.read(split, 0, source.splits[split])]
    assert [names[label] for label in found] == [str(value) for value in values]


def test_tfds_images_of_differing_size_need_a_size(tmp_path):
    records = [(picture(row, "PNG", (5 + row, 9, 3)), row % 3) for row in range(8)]
    write_tfds(tmp_path, {"train": records[:5], "test": records[5:]}, shape=(None, None, 3))
    with pytest.raises(DataError, match=r"the images of tiny differ in height; set data\.height and data\.width"):
        open_source(_config(tmp_path))
    sized = _config(tmp_path, height=6, width=4, resize="lanczos")
    assert open_source(sized).image_shape == (6, 4, 3)
    manifest = pipeline.prepare(sized, tmp_path / "out")
    assert (manifest.image_shape, manifest.num_bad) == ((6, 4, 3), 0)


def test_tfds_reads_over_the_borders_of_files(tmp_path):
    folder = write_tfds(tmp_path, {"train": examples(5), "test": examples(3)})
    more = write_tfds(tmp_path / "more", {"train": examples(7, seed=2), "test": examples(3)})
    next(folder.glob("tiny-train*")).rename(folder / "tiny-train.array_record-00000-of-00002")
    next(more.glob("tiny-train*")).rename(folder / "tiny-train.array_record-00001-of-00002")
    info = json.loads((folder / "dataset_info.json").read_text())
    info["splits"][0]["shardLengths"] = ["5", "7"]
    (folder / "dataset_info.json").write_text(json.dumps(info))
    source = open_source(_config(tmp_path, train_split="train[25%:]"))
    assert [record.image for record in source.read("train", 3, 8)] == [
        image for image, _ in examples(5)[3:] + examples(7, seed=2)[:3]
    ]


def test_tfds_reads_the_range_asked_for(data_dir):
    records = list(open_source(_config(data_dir)).read("train", 3, 6))
    assert [record.key for record in records] == ["train/0000003", "train/0000004", "train/0000005"]
    for record, (image, label) in zip(records, examples(12)[3:6], strict=True):
        assert isinstance(record, Record)
        assert (record.image, record.label) == (image, label)
        assert decode(record.image, (6, 5, 3)).shape == (6, 5, 3)


def test_the_fingerprint_is_of_the_content(data_dir, tmp_path):
    def fingerprint(test_examples, config=None):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        write_tfds(folder, {"train": examples(12), "test": test_examples}, version="1.10.0")
        return open_source(_config(folder)).fingerprint(("train", "test"))

    same = open_source(_config(data_dir)).fingerprint(("train", "test"))
    assert fingerprint(examples(5, seed=1)) == same
    assert fingerprint(examples(5, seed=2)) != same


@pytest.mark.parametrize("raw", [b"\xff\xff garbage", b""], ids=["garbage", "no features"])
def test_what_is_not_an_example_is_a_bad_record(tmp_path, raw):
    folder = write_tfds(tmp_path, {"train": examples(3), "test": examples(3)})
    source = open_source(_config(tmp_path))
    path = next(folder.glob("tiny-train*"))
    path.unlink()
    writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1")
    writer.write(raw)
    writer.close()
    (record,) = source.read("train", 0, 1)
    assert isinstance(record, BadRecord)
    assert record.key == "train/0000000"
    assert record.reason.startswith("is not an example with 'image' and 'label': ")


def test_data_replaced_in_place_is_read_anew(tmp_path):
    folder = write_tfds(tmp_path, {"train": examples(3), "test": examples(3)})
    assert len(list(open_source(_config(tmp_path)).read("train", 0, 3))) == 3
    shutil.rmtree(folder)
    write_tfds(tmp_path, {"train": examples(7, seed=2), "test": examples(3)})
    source = open_source(_config(tmp_path))
    assert [record.image for record in source.read("train", 0, 7)] == [image for image, _ in examples(7, seed=2)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dir": None}, "data.dir is not set; tiny needs"),
        ({"dir": "/nowhere"}, "data.dir /nowhere does not exist"),
        ({"name": "tinny"}, "tinny is not in .*; found there: tiny;"),
        ({"version": "2.0.0"}, r"tiny has no version 2\.0\.0 in .*; found: 1\.9\.0, 1\.10\.0"),
        ({"test_split": "validation"}, r"tiny 1\.10\.0 has no split 'validation'; it has: train, test"),
        ({"train_split": "train[:13]"}, r"split 'train\[:13\]' of tiny 1\.10\.0 is examples 0 to 13; allowed: 0 to 12"),
        ({"test_split": "train[:1]"}, r"examples 0 to 0 of train of tiny 1\.10\.0 are taken twice"),
        ({"image_key": "picture"}, "data.image_key is 'picture'; tiny has the features: image, label"),
        ({"label_key": "class"}, "data.label_key is 'class'; tiny has the features: image, label"),
        ({"image_key": "label"}, r"feature 'label' is int64 \(\); needed: uint8 images"),
        ({"label_key": "image"}, "feature 'image' is Image; needed: a ClassLabel, a whole number or a text"),
        (
            {"name": "digits"},
            "data.dir is .*, but digits comes with scikit-learn and reads no folder: leave out the word",
        ),
        ({"name": "digits", "dir": None, "version": "7"}, r"digits has no version 7; there is only 1\.0\.0"),
        (
            {"name": "digits", "dir": None, "test_split": "valid"},
            r"digits 1\.0\.0 has no split 'valid'; it has: train, test",
        ),
    ],
)
def test_what_is_not_there(data_dir, changes, message):
    with pytest.raises(DataError, match=message):
        open_source(_config(data_dir, **changes))


def test_a_missing_data_file(tmp_path):
    folder = write_tfds(tmp_path, {"train": examples(3), "test": examples(3)})
    next(folder.glob("tiny-test*")).unlink()
    with pytest.raises(DataError, match=r"tiny-test\.array_record-00000-of-00001 is missing"):
        open_source(_config(tmp_path))


def test_a_damaged_data_file(tmp_path):
    folder = write_tfds(tmp_path, {"train": examples(3), "test": examples(3)})
    path = next(folder.glob("tiny-train*"))
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"tiny-train\.array_record-00000-of-00001 is damaged \(.*hash mismatch"):
        list(open_source(_config(tmp_path)).read("train", 0, 3))


def test_a_damaged_description(tmp_path):
    folder = write_tfds(tmp_path, {"train": examples(3), "test": examples(3)})
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(DataError, match=r"dataset_info\.json is damaged, it is no JSON"):
        open_source(_config(tmp_path))


@pytest.mark.parametrize(
    ("file_format", "message"),
    [
        ("tfrecord", r"reading it needs TensorFlow: pip install -e '\.\[tf\]', or prepare it again"),
        ("parquet", "format parquet: TFDS 4.9 loses rows when it writes it; allowed: array_record, tfrecord"),
        ("riegeli", "format riegeli: it has no random access by index"),
    ],
)
def test_other_formats(tmp_path, monkeypatch, file_format, message):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorflow" else find_spec(name))
    folder = write_tfds(tmp_path, {"train": examples(3), "test": examples(3)})
    info = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(json.dumps({**info, "fileFormat": file_format}))
    with pytest.raises(DataError, match=message):
        open_source(_config(tmp_path))


def test_a_download_says_first_what_it_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"downloading mnist .* needs TensorFlow: pip install -e '\.\[tf\]'"):
        open_source(DataConfig(name="mnist", dir=str(tmp_path), download=True))


def test_the_servers_of_a_download_are_known_and_files_that_are_there_need_none(tmp_path):
    from tensorflow_datasets.core.download import resource

    urls = {
        url: SimpleNamespace(checksum="ab" * 32)
        for url in ("https://one.example/a.zip", "http://two.example:81/b.tar", "https://one.example/c.zip")
    }
    builder = SimpleNamespace(url_infos=urls, info=SimpleNamespace(homepage="https://home.example/x"))
    assert download._hosts(builder, tmp_path) == {("one.example", 443), ("two.example", 81)}
    for url in list(urls)[:2]:
        (tmp_path / "mnist").mkdir(exist_ok=True)
        (tmp_path / "mnist" / resource.get_dl_fname(url, "ab" * 32)).write_text("")
    assert download._hosts(builder, tmp_path) == {("one.example", 443)}
    unknown = SimpleNamespace(url_infos=None, info=builder.info)
    assert download._hosts(unknown, tmp_path) == {("home.example", 443)}


def test_an_unreachable_server_is_found_out_at_once():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = closed.getsockname()
        with pytest.raises(DataError, match=r"cannot reach 127\.0\.0\.1:\d+, where mnist is"):
            download._check_reachable(address, "mnist")


@pytest.mark.parametrize("kind", [*SOURCES, *BUILT_IN])
def test_each_row_of_the_registry_is_a_module_that_opens_a_source(kind):
    opener = module_of(kind).open_source
    assert issubclass(typing.get_type_hints(opener)["return"], Source)
