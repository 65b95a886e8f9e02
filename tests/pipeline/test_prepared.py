"""`load` brings back what was written, and has a message for each kind of damage."""

import json
import subprocess
import sys

import numpy as np
import pytest
from etils import epath

from kerneldistill import pipeline
from kerneldistill.pipeline import DataError
from kerneldistill.pipeline.prepared import check_files
from kerneldistill.pipeline.storage.manifest import Manifest, _digest


def test_everything_comes_back(prepared_digits):
    prepared = pipeline.load(prepared_digits)
    manifest = prepared.manifest
    assert prepared.train.images.shape == (1297, 8, 8, 1)
    for name, split in (("train", prepared.train), ("validation", prepared.validation), ("test", prepared.test)):
        assert np.bincount(split.labels).tolist() == list(manifest.class_counts[name])
    assert np.bincount(prepared.validation.labels).tolist() == [14] * 10
    assert (manifest.num_in, manifest.num_bad, len(prepared.test)) == (1797, 0, 360)
    np.testing.assert_allclose(prepared.train.images.mean(), 0, atol=1e-6)
    np.testing.assert_allclose(prepared.train.images.std(), 1, atol=1e-6)


def test_the_probe_whitened_now_is_the_test_set_written_then(prepared_digits):
    prepared = pipeline.load(prepared_digits)
    assert (prepared.probe.shape, prepared.probe.dtype) == ((8, 8, 8, 1), np.uint8)
    np.testing.assert_array_equal(prepared.whitener.apply(prepared.probe), prepared.test.images[:8])


def test_loading_needs_neither_beam_nor_tensorflow(prepared_digits):
    code = (
        "import sys; from kerneldistill import pipeline; pipeline.load(sys.argv[1]); "
        "print([m for m in ('apache_beam', 'tensorflow', 'tensorflow_datasets', 'jax', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, prepared_digits], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_each_thing_describes_itself_in_one_line(prepared_digits):
    prepared = pipeline.load(prepared_digits)
    summary = "digits 1.0.0, 1,297 train, 140 validation, 360 test images of 8x8x1, whitened by 'standard', 0 bad"
    assert prepared.manifest.summary() == summary
    assert repr(prepared.manifest) == f"Manifest({summary})"
    assert repr(prepared) == f"Prepared({summary})"
    assert repr(prepared.test) == "Split(360 images of 8x8x1)"
    assert repr(prepared.whitener) == "Whitener(standard, images of 8x8x1, fitted to 1,297)"


def test_no_manifest(tmp_path):
    with pytest.raises(DataError, match=r"no manifest\.json in .*: not a prepared data set"):
        pipeline.load(tmp_path)


@pytest.mark.parametrize("name", ["shards/train-00001.array_record", "whitener.npz", "probe.npy"])
def test_a_flipped_bit(own_digits, name):
    content = bytearray((own_digits / name).read_bytes())
    content[len(content) // 2] ^= 1
    (own_digits / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} is damaged: its sha256 is"):
        pipeline.load(own_digits)


def test_a_cut_file(own_digits):
    path = own_digits / "shards/test-00000.array_record"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"test-00000\.array_record has 130972 bytes, the manifest says 131072"):
        pipeline.load(own_digits)


def test_a_missing_shard(own_digits):
    (own_digits / "shards/validation-00000.array_record").unlink()
    with pytest.raises(DataError, match=r"validation-00000\.array_record is missing"):
        pipeline.load(own_digits)


def _rewrite(folder, change, digest=True):
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    document.pop("digest")
    change(document)
    path.write_text(json.dumps({"digest": _digest(document) if digest else "0" * 64, **document}))


def test_another_schema(own_digits):
    _rewrite(own_digits, lambda document: document.update(schema=3))
    with pytest.raises(DataError, match="has schema version 3; this program reads 2; prepare the data set again"):
        pipeline.load(own_digits)


def test_an_edited_manifest(own_digits):
    _rewrite(own_digits, lambda document: document.update(num_in=5), digest=False)
    with pytest.raises(DataError, match="its digest does not match"):
        pipeline.load(own_digits)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema": 2}'])
def test_a_damaged_manifest(own_digits, content):
    (own_digits / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=r"manifest\.json is damaged"):
        pipeline.load(own_digits)


def test_a_manifest_of_other_fields(own_digits):
    _rewrite(own_digits, lambda document: document.pop("shards"))
    with pytest.raises(DataError, match=r"manifest\.json is wrong at shards: .*prepare the data set again"):
        pipeline.load(own_digits)


def test_a_shard_that_holds_less_than_the_manifest_says(own_digits):
    def change(document):
        document["shards"][0]["class_counts"][0] += 1
        document["class_counts"][document["shards"][0]["split"]][0] += 1

    _rewrite(own_digits, change)
    with pytest.raises(DataError, match=r"classes are .*, the manifest says"):
        pipeline.load(own_digits)


def test_the_check_is_silent_when_all_is_well(prepared_digits):
    folder = epath.Path(prepared_digits)
    check_files(folder, Manifest.load(folder))
