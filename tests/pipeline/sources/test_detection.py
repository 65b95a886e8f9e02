"""Find out what a folder holds and what to call it; deal what has no test split."""

import numpy as np
import pytest

from kerneldistill import pipeline
from kerneldistill.pipeline import DataConfig, DataError
from kerneldistill.pipeline.sources.dealing import held_out
from kerneldistill.pipeline.sources.detection import detected
from kerneldistill.pipeline.sources.opening import open_source
from tests.helpers.tiny_tfds import examples, picture, write_tfds


def auto(path, **changes) -> DataConfig:
    return DataConfig(**{"name": "auto", "source": "auto", "dir": str(path), **changes})


@pytest.fixture
def pets(tmp_path):
    for number in range(30):
        path = tmp_path / "pets" / ["ox", "cat", "dog"][number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number, "PNG"))
    return tmp_path / "pets"


def test_pictures_by_class_from_a_folder_to_a_prepared_set(pets, tmp_path):
    manifest = pipeline.prepare(auto(pets, whiten="none"), tmp_path / "out")
    assert (manifest.name, manifest.config.source, manifest.class_names) == ("pets", "folder", ("cat", "dog", "ox"))
    assert manifest.class_counts["test"] == (2, 2, 2)
    assert sum(map(sum, manifest.class_counts.values())) == 30
    # Said in full or found out: the same data set.
    named = auto(pets, whiten="none", name="pets", source="folder")
    assert pipeline.prepare(named, tmp_path / "out").fingerprint == manifest.fingerprint


@pytest.mark.parametrize("seed", [0, 1])
def test_the_parts_hold_each_image_once(pets, seed):
    source = open_source(auto(pets, seed=seed))
    keys = [record.key for split, n in source.splits.items() for record in source.read(split, 0, n)]
    assert sorted(keys) == sorted(str(path.relative_to(pets)) for path in pets.rglob("*.png"))
    pieces = [record.key for start in range(0, 24, 5) for record in source.read("train", start, min(24, start + 5))]
    assert pieces == keys[:24]
    other = open_source(auto(pets, seed=1 - seed))
    assert source.fingerprint(["test", "train"]) != other.fingerprint(["test", "train"])


def test_a_part_of_each_class_is_held_out():
    labels = np.array([0] * 10 + [1] * 2 + [2] + [-1] * 5)
    drawn = held_out(labels, 0.2, 0)
    assert np.bincount(labels[drawn], minlength=3).tolist() == [2, 1, 0]


def test_tfds_data_sets_are_named_by_themselves(tmp_path):
    write_tfds(tmp_path, {"train": examples(9), "test": examples(3)})
    assert detected(auto(tmp_path)).name == "tiny"
    (tmp_path / "other" / "1.0.0").mkdir(parents=True)
    (tmp_path / "other" / "1.0.0" / "dataset_info.json").write_text("{}")
    with pytest.raises(DataError, match=r"holds 2 data sets \(other, tiny\); name one with --data\.name NAME"):
        detected(auto(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none", None, "which is not there; name a folder or a file that is"),
        ("pets.zip", b"PK", r"holds nothing that is read; allowed: a folder: unpack it and name that"),
        ("empty/.hidden", b"", "holds nothing that is read; allowed: pictures in a folder for each class"),
    ],
)
def test_what_is_not_found_out(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        detected(auto(path.parent if path.name == ".hidden" else path))


def test_a_folder_of_pictures_in_the_place_of_tfds_is_told(pets):
    with pytest.raises(
        DataError, match=r"pictures, one folder per class, but data\.source is tfds: set --data\.source f"
    ):
        open_source(DataConfig(name="pets", dir=str(pets)))


def test_a_data_set_that_comes_with_a_library_reads_no_folder(pets):
    with pytest.raises(
        DataError, match=r"digits comes with scikit-learn and reads no folder: leave out the word digits"
    ):
        open_source(DataConfig(dir=str(pets)))
    assert open_source(DataConfig(source="folder", dir=str(pets))).name == "pets"


def test_nothing_is_named():
    with pytest.raises(DataError, match=r"data\.dir is not set; name your data with --data\.dir PATH"):
        detected(DataConfig(name="auto", source="auto"))
