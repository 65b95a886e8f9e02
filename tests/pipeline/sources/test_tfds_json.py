"""What a stranger's TFDS folder says of itself is data: nothing of it is imported, followed or believed."""

import json
import os

import pytest

from kerneldistill.pipeline import DataConfig, DataError
from kerneldistill.pipeline.sources.tfds import open_source
from tests.helpers.tiny_tfds import examples, write_tfds


def _config(data_dir, **changes) -> DataConfig:
    return DataConfig(**{"name": "tiny", "dir": str(data_dir), **changes})


EVIL = "kerneldistill_evil.Feature"
OWN = "tensorflow_datasets.core.features.image_feature.Image"


@pytest.mark.parametrize(
    ("file", "was", "becomes", "message"),
    [
        ("features.json", OWN, EVIL, "names the class 'kerneldistill_evil.Feature'; allowed: those of tensorflow_data"),
        (
            "features.json",
            '"label": {',
            '"a": {"jsonFeature": {"json": "{\\"type\\": \\"os.X\\"}"}}, "label": {',
            "class 'os.X'",
        ),
        ("features.json", '"label": {', '"../label": {', "names a feature '../label'; allowed: a name without /"),
        ("features.json", '"numClasses": "3"', '"numClasses": "99999999999"', "has 99,999,999,999 classes; allowed"),
        ("features.json", '"featuresDict": {', '"featuresDict": 5, "x": {', "is not a readable TFDS data set"),
        ("features.json", "{", "[" * 100_000, "it nests too deep"),
        ("features.json", "{", "{" + " " * (1 << 22), "more than 4,194,304 bytes"),
        ("dataset_info.json", '"12"', '"999999999999"', "train has 999,999,999,999 examples, its files have 131,072"),
        ("dataset_info.json", '"{DATASET}', '"../{DATASET}', "names files elsewhere"),
        ("dataset_info.json", '"tiny"', '"../tiny"', "names files elsewhere|is not a readable TFDS data set"),
    ],
)
def test_a_stranger_says_nothing_that_is_imported_followed_or_believed(tmp_path, file, was, becomes, message):
    folder = write_tfds(tmp_path, {"train": examples(12), "test": examples(3)})
    text = (folder / file).read_text()
    assert was in text
    (folder / file).write_text(text.replace(was, becomes, 1))
    (folder / "label.labels.txt").unlink()
    with pytest.raises(DataError, match=message):
        open_source(_config(tmp_path))


@pytest.mark.parametrize("name", ["features.json", "dataset_info.json", "label.labels.txt"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path, name):
    path = write_tfds(tmp_path, {"train": examples(3), "test": examples(3)}) / name
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="it is a pipe, not a file"):
        open_source(_config(tmp_path))


def test_a_compressed_label_is_refused(tmp_path):
    folder = write_tfds(tmp_path, {"train": examples(3), "test": examples(3)}, label="number")
    config = json.loads((folder / "features.json").read_text())
    config["featuresDict"]["features"]["label"] = {
        "pythonClassName": "tensorflow_datasets.core.features.tensor_feature.Tensor",
        "tensor": {"shape": {}, "dtype": "int64", "encoding": "zlib"},
    }
    (folder / "features.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="feature 'label' is compressed"):
        open_source(_config(tmp_path))
