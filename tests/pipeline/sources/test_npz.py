"""Read arrays in .npz files."""

import logging
from pathlib import Path

import numpy as np
import pytest

from kerneldistill import pipeline
from kerneldistill.pipeline import DataConfig, DataError
from kerneldistill.pipeline.sources.array_files import array
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.pipeline.sources.record import BadRecord

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 6, 5, 3), dtype=np.uint8)
LABELS = np.arange(20) % 4


def _config(path: Path, **changes) -> DataConfig:
    keys = {"image_key": "x_{split}", "label_key": "y_{split}"}
    return DataConfig(**{"name": "mine", "source": "npz", "dir": str(path), **keys, **changes})


def _keras(path: Path, labels: np.ndarray = LABELS, save=np.savez, **more) -> Path:
    save(path, x_train=IMAGES[:14], y_train=labels[:14], x_test=IMAGES[14:], y_test=labels[14:], **more)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_one_file_of_all_splits(tmp_path, save):
    source = open_source(_config(_keras(tmp_path / "mine.npz", save=save)))
    assert dict(source.splits) == {"train": 14, "test": 6}
    assert (source.class_names, source.image_shape) == (("0", "1", "2", "3"), (6, 5, 3))
    for row, record in enumerate(source.read("test", 2, 6), 2):
        assert record.key == f"test/{row:07d}"
        assert np.array_equal(record.image, IMAGES[14 + row])
        assert record.label == LABELS[14 + row]
    assert isinstance(array(str(tmp_path / "mine.npz"), "x_train"), np.memmap) == (save is np.savez)


def test_one_file_without_splits(tmp_path):
    np.savez(tmp_path / "mine.npz", image=IMAGES[..., 0], label=LABELS[:, None])
    config = _config(
        tmp_path / "mine.npz", image_key="image", label_key="label", train_split="all[:15]", test_split="all[15:]"
    )
    source = open_source(config)
    assert (source.image_shape, dict(source.splits)) == ((6, 5, 1), {"all": 20})
    assert [record.label for record in source.read("all", 3, 6)] == [3, 0, 1]


def test_one_file_per_split(tmp_path):
    np.savez(tmp_path / "train.npz", image=IMAGES[:14], label=LABELS[:14])
    np.savez(tmp_path / "test.npz", image=IMAGES[14:], label=LABELS[14:])
    source = open_source(_config(tmp_path, image_key="image", label_key="label"))
    assert dict(source.splits) == {"test": 6, "train": 14}


def test_labels_are_texts_or_numbers_or_named(tmp_path):
    texts = np.array(["owl", "ant", "cat", "bee"])[LABELS]
    source = open_source(_config(_keras(tmp_path / "texts.npz", texts)))
    assert source.class_names == ("ant", "bee", "cat", "owl")
    assert [record.label for record in source.read("train", 0, 4)] == [3, 0, 2, 1]
    sparse = open_source(_config(_keras(tmp_path / "sparse.npz", LABELS * 10 + 1)))
    assert sparse.class_names == ("1", "11", "21", "31")
    named = open_source(_config(_keras(tmp_path / "named.npz", class_names=["w", "x", "y", "z", "none"])))
    assert named.class_names == ("w", "x", "y", "z", "none")
    assert [record.label for record in named.read("train", 0, 4)] == [0, 1, 2, 3]


def test_labels_below_zero_are_bad_records(tmp_path):
    labels = LABELS - 2 * (np.arange(20) == 3) * 2
    (record,) = open_source(_config(_keras(tmp_path / "mine.npz", labels))).read("train", 3, 4)
    assert isinstance(record, BadRecord)
    assert record.reason == "label is -1, expected a whole number from 0 up or a text"


def test_end_to_end(tmp_path):
    _keras(tmp_path / "mine.npz", np.array(["owl", "ant", "cat", "bee"])[LABELS])
    manifest = pipeline.prepare(_config(tmp_path / "mine.npz", whiten="none"), tmp_path / "out")
    assert (manifest.source_format, manifest.class_names) == ("npz", ("ant", "bee", "cat", "owl"))
    prepared = pipeline.load(tmp_path / "out")
    np.testing.assert_allclose(prepared.test.images, IMAGES[14:] / 255, atol=1e-6)


def test_a_flipped_bit_is_found(tmp_path):
    path = _keras(tmp_path / "mine.npz")
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"the checksum of array x_train\.npy does not match"):
        open_source(_config(path))


@pytest.mark.parametrize(
    ("arrays", "changes", "message"),
    [
        ({"x_train": IMAGES}, {}, "holds no split with data.image_key 'x_{split}' and .*; it has the arrays x_train"),
        (
            {"x_train": IMAGES / 100 - 1, "y_train": LABELS},
            {},
            r"x_train is float64 from -1 to 1\.55; allowed: 0\.\.1 or 0",
        ),
        ({"x_train": IMAGES + np.nan, "y_train": LABELS}, {}, r"x_train is float64 from nan to nan; allowed: 0\.\.1"),
        (
            {"x_train": IMAGES.astype(int) * 2, "y_train": LABELS},
            {},
            r"x_train is int64 from 0 to 510; allowed: 0\.\.1",
        ),
        (
            {"x_train": IMAGES.transpose(0, 3, 1, 2), "y_train": LABELS},
            {},
            r"x_train is uint8 \(20, 3, 6, 5\), channels first; allowed: channels last: save .*transpose\(0, 2, 3, 1",
        ),
        ({"x_train": IMAGES.reshape(20, -1), "y_train": LABELS}, {}, r"allowed: .*: save it as images, reshape\(n, h"),
        (
            {"x_train": IMAGES, "y_train": np.eye(4)[LABELS] * 0.9},
            {},
            r"y_train is float64 \(20, 4\), but not one-hot: .*; save .*y_train\.argmax\(1\)",
        ),
        (
            {"image": IMAGES, "images": IMAGES, "label": LABELS},
            {"image_key": "image", "label_key": "label"},
            "has, for the split all, the arrays image, images, label; allowed: one of images and one of labels",
        ),
        (
            {"x_train": IMAGES, "y_train": LABELS[:5]},
            {},
            r"y_train is int64 \(5,\); allowed: whole numbers or texts",
        ),
        ({"x_train": IMAGES, "y_train": LABELS / 2}, {}, "y_train is float64"),
        ({"x_train": IMAGES, "y_train": LABELS - 9}, {}, "mine has no usable label; allowed"),
        (
            {"image": IMAGES},
            {"image_key": "image", "label_key": "label"},
            "it has the arrays image; name two of them with --data",
        ),
        (
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:, :3], "y_test": LABELS},
            {},
            "the images of mine differ in height; set data.height and data.width",
        ),
        ({"x_train": IMAGES[..., :2], "y_train": LABELS}, {}, "mine has images of 2 channels; allowed: 1, 3, 4"),
    ],
)
def test_mistakes(tmp_path, arrays, changes, message):
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(DataError, match=message):
        open_source(_config(tmp_path / "mine.npz", **changes))


@pytest.mark.parametrize(
    "images", [IMAGES / 255, IMAGES.astype(np.float32), (IMAGES / 255).astype(np.float32), IMAGES.astype(int)]
)
def test_numbers_of_other_types_become_pixels(tmp_path, images, caplog):
    np.savez(tmp_path / "mine.npz", images=images, labels=np.eye(4, dtype=np.float32)[LABELS])
    with caplog.at_level(logging.INFO):
        source = open_source(DataConfig(name="auto", source="auto", dir=str(tmp_path / "mine.npz")))
    assert source.name == "mine"
    assert "--data.source npz --data.name mine" in caplog.text
    top = 1 if images.max() <= 1 else 255
    assert f"images with labels; the images, {images.dtype} of 0..{top}, are rounded to pixels" in caplog.text
    assert "the labels are one-hot" in caplog.text
    assert "has one split: a fifth of each class is for test" in caplog.text
    records = [record for split in ("train", "test") for record in source.read(split, 0, source.splits[split])]
    rows = [int(record.key.rpartition("/")[2]) for record in records]
    assert sorted(rows) == list(range(20))
    for row, record in zip(rows, records, strict=True):
        assert np.array_equal(record.image, IMAGES[row])
        assert record.label == LABELS[row]
    assert np.bincount(source.labels("test")).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("fortran", [False, True])
def test_a_folder_of_npy_files(tmp_path, fortran):
    images = np.asfortranarray(IMAGES) if fortran else IMAGES
    for split, part in {"train": slice(14), "test": slice(14, None)}.items():
        np.save(tmp_path / f"{split}_images.npy", images[part])
        np.save(tmp_path / f"{split}_labels.npy", LABELS[part, None].astype(float))
    source = open_source(DataConfig(name="auto", source="auto", dir=str(tmp_path)))
    assert dict(source.splits) == {"test": 6, "train": 14}
    assert [record.label for record in source.read("test", 0, 6)] == LABELS[14:].tolist()
    assert np.array_equal([record.image for record in source.read("train", 3, 9)], IMAGES[3:9])
    first = source.fingerprint(["train"])
    np.save(tmp_path / "train_labels.npy", LABELS[:14][::-1])
    assert open_source(DataConfig(name="x", source="npz", dir=str(tmp_path))).fingerprint(["train"]) != first


def test_an_npy_that_is_cut_or_alone(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    np.save(tmp_path / "labels.npy", LABELS)
    with pytest.raises(DataError, match=r"one array; name the folder that holds images and labels: .*"):
        open_source(DataConfig(name="x", source="npz", dir=str(tmp_path / "images.npy")))
    (tmp_path / "images.npy").write_bytes((tmp_path / "images.npy").read_bytes()[:-1])
    with pytest.raises(DataError, match=r"images\.npy says its shape is \(20, 6, 5, 3\), which its bytes are not"):
        open_source(DataConfig(name="x", source="npz", dir=str(tmp_path)))
    (tmp_path / "images.npy").write_bytes(b"no")
    with pytest.raises(DataError, match=r"images\.npy is not a readable \.npy file"):
        open_source(DataConfig(name="x", source="npz", dir=str(tmp_path)))


def test_what_is_not_an_npz(tmp_path):
    (tmp_path / "mine.npz").write_text("text")
    with pytest.raises(DataError, match=r"is not a readable \.npz file"):
        open_source(_config(tmp_path / "mine.npz"))
    with pytest.raises(DataError, match=r"data\.dir is .*/none; data\.source = 'npz' needs a \.npz file"):
        open_source(_config(tmp_path / "none"))


def test_a_folder_in_the_place_of_a_file_is_not_overlooked(tmp_path):
    np.savez(tmp_path / "test.npz", image=IMAGES, label=LABELS)
    (tmp_path / "train.npz").mkdir()
    with pytest.raises(DataError, match=r"train\.npz is a folder, not an \.npz file: restore the file"):
        open_source(DataConfig(name="x", source="npz", dir=str(tmp_path)))


def test_a_packed_array_that_is_large_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("kerneldistill.pipeline.sources.array_files.MAX_PACKED", 1000)
    np.savez_compressed(tmp_path / "x.npz", image=np.zeros((40, 6, 6), np.uint8), label=np.arange(40) % 2)
    config = DataConfig(
        name="x", source="npz", dir=str(tmp_path / "x.npz"), train_split="all[:9]", test_split="all[9:]"
    )
    with pytest.raises(DataError, match=r"unpacks to 1,568 bytes; allowed: 1,000; write it with numpy\.savez"):
        open_source(config)


@pytest.mark.parametrize("names", [["a\x1b", "b"], ["a", "a"], ["", "b"], ["x" * 501, "b"]])
def test_class_names_that_are_none_are_refused(tmp_path, names):
    np.savez(tmp_path / "x.npz", image=np.zeros((4, 6, 6), np.uint8), label=np.arange(4) % 2, class_names=names)
    config = DataConfig(
        name="x", source="npz", dir=str(tmp_path / "x.npz"), train_split="all[:2]", test_split="all[2:]"
    )
    with pytest.raises(DataError, match="class names"):
        open_source(config)
