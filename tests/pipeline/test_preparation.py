"""Run `prepare` from end to end: what it writes, what it keeps, what it leaves alone."""

import hashlib
import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from kerneldistill import pipeline
from kerneldistill.pipeline import DataConfig, DataError
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.pipeline.storage.fingerprint import fingerprint_of
from kerneldistill.pipeline.verification import find_problems
from tests.helpers.tiny_tfds import SHAPE, examples, picture, write_tfds


def _tree(folder: Path) -> dict[str, str]:
    """Return the digest of every file, by name."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    """Write 40 train records, 3 of them bad, and 9 test records."""
    data_dir = tmp_path_factory.mktemp("tfds")
    train = examples(40)
    train[4] = (train[4][0][:200], 1)
    train[15] = (train[15][0], 7)
    train[16] = (picture(16, shape=(4, 4, 3)), 0)
    write_tfds(data_dir, {"train": train, "test": examples(9, seed=1)})
    return data_dir


def _config(data_dir: Path, **changes) -> DataConfig:
    return DataConfig(**{"name": "tiny", "dir": str(data_dir), "max_bad_fraction": 0.1, "batch_size": 15, **changes})


def test_bad_records_are_set_aside_and_counted(data_dir, tmp_path):
    manifest = pipeline.prepare(_config(data_dir, whiten="none"), tmp_path / "out")
    assert (manifest.num_in, manifest.num_bad) == (49, 3)
    assert sum(manifest.count(split) for split in ("train", "validation", "test")) == 46
    lines = [json.loads(line) for line in (tmp_path / "out/dead_letter.jsonl").read_text().splitlines()]
    assert [line["key"] for line in lines] == ["train/0000004", "train/0000015", "train/0000016"]
    assert "cannot be decoded" in lines[0]["reason"]
    assert lines[0]["sha256"] == hashlib.sha256(examples(40)[4][0][:200]).hexdigest()
    assert lines[1]["reason"] == "label is 7, expected 0 to 2"
    assert lines[2]["reason"] == "image shape is (4, 4, 3), expected (6, 5, 3)"


def test_images_and_labels_are_those_of_the_source(data_dir, tmp_path):
    from PIL import Image

    pipeline.prepare(_config(data_dir, whiten="none"), tmp_path / "out")
    prepared = pipeline.load(tmp_path / "out")
    from io import BytesIO

    expected = [np.asarray(Image.open(BytesIO(image))) / np.float32(255) for image, _ in examples(9, seed=1)]
    np.testing.assert_allclose(prepared.test.images, expected, rtol=1e-6)
    assert prepared.test.labels.tolist() == [label for _, label in examples(9, seed=1)]


def test_the_fit_sees_train_only(data_dir, tmp_path):
    pipeline.prepare(_config(data_dir, validation_fraction=0.4), tmp_path / "out")
    prepared = pipeline.load(tmp_path / "out")
    assert prepared.whitener.n_fit == len(prepared.train) == 37 - len(prepared.validation)
    np.testing.assert_allclose(prepared.train.images.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(prepared.train.images.std(axis=(0, 1, 2)), 1, atol=1e-5)
    assert np.abs(prepared.validation.images.mean(axis=(0, 1, 2))).max() > 1e-4
    assert prepared.whitener.data_fingerprint == prepared.manifest.fingerprint


def test_kip_zca_end_to_end(data_dir, tmp_path):
    pipeline.prepare(_config(data_dir, whiten="kip_zca"), tmp_path / "out")
    prepared = pipeline.load(tmp_path / "out")
    assert prepared.whitener.W.shape == (np.prod(SHAPE),) * 2
    # Fewer images than features: in the directions that the images span, z^T C^-1 z averages to their number.
    pixels = prepared.whitener.invert(prepared.train.images)
    np.testing.assert_allclose(prepared.whitener.apply(pixels), prepared.train.images, atol=1e-5)
    np.testing.assert_array_equal(prepared.whitener.apply(prepared.probe), prepared.test.images[:8])


@pytest.mark.parametrize("whiten", ["kip_zca", "kornia_zca"])
def test_blocks_and_kornia_end_to_end(tmp_path, whiten):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 64, 64), dtype=np.uint8)
    np.savez(tmp_path / "large.npz", image=pixels, label=np.arange(90) % 5)
    config = DataConfig(
        name="large",
        source="npz",
        dir=str(tmp_path / "large.npz"),
        train_split="all[:80]",
        test_split="all[80:]",
        validation_fraction=0.0,
        batch_size=32,
        whiten=whiten,
        zca_block=8,
    )
    pipeline.prepare(config, tmp_path / "out")
    assert list(find_problems(tmp_path / "out")) == []
    prepared = pipeline.load(tmp_path / "out")
    whitener, found = prepared.whitener, prepared.test.images
    assert whitener.W.shape == (64, 64, 64)
    if whiten == "kornia_zca":
        x = pixels[:, 16:24, 56:64].reshape(90, -1) / 255
        centred = x[:80] - x[:80].mean(axis=0)
        s, u = np.linalg.eigh(centred.T @ centred / 79)
        expected = (x[80:] - x[:80].mean(axis=0)) @ (u / np.sqrt(s + 0.1)) @ u.T
        np.testing.assert_allclose(found[:, 16:24, 56:64].reshape(10, -1), expected, atol=1e-5)
    forgotten = whitener.forgotten(pixels[80:, ..., None]) if whitener.per_image_norm else None
    np.testing.assert_allclose(whitener.invert(found, forgotten)[..., 0] / 255, pixels[80:] / 255, atol=1e-5)


def test_too_many_bad_records_stop_the_job_and_spare_the_old(data_dir, own_digits, caplog):
    before = _tree(own_digits)
    with pytest.raises(
        DataError, match=r"3 of 49 records of tiny are bad \(train/0000004: image cannot.*allowed: 0\.05"
    ):
        pipeline.prepare(_config(data_dir, max_bad_fraction=0.05), own_digits, overwrite=True)
    assert _tree(own_digits) == before
    assert [path.name for path in own_digits.parent.iterdir()] == [own_digits.name]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_source_that_breaks_on_the_way_stops_the_job(tmp_path):
    folder = write_tfds(tmp_path, {"train": examples(30), "test": examples(9)})
    path = next(folder.glob("tiny-train*"))
    content = bytearray(path.read_bytes())
    content[1000] ^= 1  # inside the records: the end of a small file is padding, which nothing reads
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        pipeline.prepare(_config(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_split_without_a_usable_image_stops_the_job(tmp_path):
    write_tfds(tmp_path, {"train": examples(9), "test": [(b"", 0)]})
    with pytest.raises(DataError, match="tiny has no usable image to test on; check its test split"):
        pipeline.prepare(_config(tmp_path, max_bad_fraction=0.5), tmp_path / "out")


def test_a_complete_output_is_kept(own_digits):
    stamp = os.stat(own_digits / "manifest.json").st_mtime_ns
    manifest = pipeline.prepare(DataConfig(batch_size=600), own_digits)
    assert os.stat(own_digits / "manifest.json").st_mtime_ns == stamp
    assert manifest == pipeline.load(own_digits).manifest


def test_a_damaged_output_is_made_again(own_digits):
    before = _tree(own_digits)
    shard = own_digits / "shards/train-00000.array_record"
    shard.write_bytes(shard.read_bytes()[:-1])
    pipeline.prepare(DataConfig(batch_size=600), own_digits)
    assert _tree(own_digits) == before


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "5c2aa38dbc22f03b00d21b70c50d17d67784325f00b77ec3959876c20cce0190"),
        (
            {"whiten": "kip_zca", "zca_block": 4, "validation_fraction": 0.2, "seed": 3},
            "235dffc0f77add3d19ab720f06477879adb666139187044ad0aaf56f93982c4f",
        ),
    ],
)
def test_a_fingerprint_outlives_this_program(changes, expected):
    # A prepared data set is kept as long as its fingerprint is that of the configuration: users' sets depend on it.
    config = DataConfig(batch_size=500, version="1.0.0", **changes)
    assert fingerprint_of(config, open_source(config).fingerprint(["test", "train"])) == expected


def test_another_configuration_takes_its_place(own_digits):
    with pytest.raises(
        DataError, match="made from other data or another configuration: give another folder, or --over"
    ):
        pipeline.prepare(DataConfig(batch_size=600, seed=1), own_digits)
    pipeline.prepare(DataConfig(batch_size=600, seed=1), own_digits, overwrite=True)
    assert pipeline.load(own_digits).manifest.config.seed == 1
    assert [path.name for path in own_digits.parent.iterdir()] == [own_digits.name]


def test_another_place_of_the_data_is_not_another_configuration(data_dir, tmp_path):
    moved = tmp_path / "moved"
    moved.symlink_to(data_dir)
    first = pipeline.prepare(_config(data_dir), tmp_path / "out")
    assert pipeline.prepare(_config(moved, version="1.0.0"), tmp_path / "out") == first


def test_mistakes_are_found_before_anything_runs(tmp_path):
    with pytest.raises(DataError, match="--runer does not exist; did you mean --runner"):
        pipeline.prepare(DataConfig(), tmp_path / "out", ["runer=FnApiRunner"])
    with pytest.raises(DataError, match="has no split 'dev'"):
        pipeline.prepare(DataConfig(test_split="dev"), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write beside the output .*/file/out"):
        pipeline.prepare(DataConfig(), tmp_path / "file" / "out")


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([0] * 8, [0] * 4, "has 1 class"),
        ([0, 0, 1, 1], [0, 1, 2, 2], r"no usable train image of 1 of its 3 classes \(2\), and 2 test images of them"),
        ([0, 0, 2, 2], [0, 2], None),  # classes are those that occur
    ],
)
def test_classes_of_which_nothing_can_be_learned_are_named(tmp_path, train, test, message):
    rng = np.random.default_rng(0)
    arrays = {f"y_{name}": np.array(labels) for name, labels in {"train": train, "test": test}.items()}
    arrays |= {f"x_{name[2:]}": rng.integers(0, 255, (len(of), 4, 4), np.uint8) for name, of in arrays.items()}
    np.savez(tmp_path / "data.npz", **arrays)
    keys = {"image_key": "x_{split}", "label_key": "y_{split}"}
    config = DataConfig(name="own", source="npz", dir=str(tmp_path / "data.npz"), whiten="none", **keys)
    if message is None:
        assert pipeline.prepare(config, tmp_path / "out").class_names == ("0", "2")
        return
    with pytest.raises(DataError, match=message):
        pipeline.prepare(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()
