"""`find_problems` names each kind of damage, and nothing else."""

import dataclasses

import numpy as np
import pytest
from etils import epath

from kerneldistill import pipeline
from kerneldistill.pipeline import DataConfig, DataError, Whitener
from kerneldistill.pipeline.prepared import load
from kerneldistill.pipeline.storage.files import sha256
from kerneldistill.pipeline.storage.manifest import WHITENER, Manifest
from kerneldistill.pipeline.storage.shard import ShardImages, read_shard, write_shard
from kerneldistill.pipeline.storage.statistics import Statistics
from kerneldistill.pipeline.verification import find_problems


def _rewrite(folder, **changes) -> None:
    folder = epath.Path(folder)
    dataclasses.replace(Manifest.load(folder), **changes).save(folder)


def test_nothing_is_wrong(prepared_digits):
    assert list(find_problems(prepared_digits)) == []


def test_verify_returns_the_manifest_or_raises_the_first_problem(own_digits):
    assert pipeline.verify(str(own_digits)) == pipeline.load(own_digits).manifest
    (own_digits / "probe.npy").unlink()
    with pytest.raises(DataError, match=r"probe\.npy is missing"):
        pipeline.verify(own_digits)


def test_every_damaged_or_missing_file_is_named(own_digits):
    (own_digits / "whitener.npz").unlink()
    shard = own_digits / "shards/test-00000.array_record"
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    missing, damaged = find_problems(own_digits)
    assert "whitener.npz is missing" in missing
    assert "test-00000.array_record is damaged" in damaged


def test_a_file_that_does_not_belong(own_digits):
    (own_digits / "shards" / ".train-00000.array_record.1234").write_text("")
    (found,) = find_problems(own_digits)
    assert ".train-00000.array_record.1234 is not of this data set; remove it" in found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_bad": 3}, r"1797 records in, 1797 out, 3 bad"),
        ({"config": DataConfig(batch_size=600, seed=9, version="1.0.0")}, "the fingerprint is not that of its source"),
        (
            {"class_counts": {"train": (1297,) + (0,) * 9, "validation": (140,) + (0,) * 9, "test": (360,) + (0,) * 9}},
            "the classes of train are not those of its shards",
        ),
        ({"statistics": {}}, "the statistics of test are not those of its shards"),
    ],
)
def test_a_manifest_that_contradicts_itself(own_digits, changes, message):
    _rewrite(own_digits, **changes)
    assert message in "\n".join(find_problems(own_digits))


def _replace_shard(folder, change) -> None:
    """Write changed images into the first test shard, with a manifest that agrees with the file."""
    folder = epath.Path(folder)
    manifest = Manifest.load(folder)
    old = next(shard for shard in manifest.shards if shard.split == "test")
    content = read_shard(folder / old.path)
    written = write_shard(folder, "test", old.index, change(content), 10)
    new = dataclasses.replace(old, bytes=written.bytes, sha256=written.sha256)
    _rewrite(folder, shards=tuple(new if shard == old else shard for shard in manifest.shards))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: ShardImages(c.keys, c.images, (c.labels + 1) % 10), "classes are"),
        (lambda c: ShardImages(c.keys, c.images * 2, c.labels), "statistics of its images are not those"),
        (lambda c: ShardImages(c.keys, c.images + np.float32(np.nan), c.labels), "not finite"),
        (lambda c: ShardImages(c.keys, c.images[::-1], c.labels), "whitened again, are not the first test images"),
        (
            lambda c: ShardImages(c.keys, c.images[:, :4], c.labels),
            r"images are (4, 8, 1), the manifest says (8, 8, 1)",
        ),
    ],
    ids=["labels", "values", "nan", "order", "shape"],
)
def test_images_other_than_the_manifest_says(own_digits, change, message):
    _replace_shard(own_digits, change)
    assert message in "\n".join(find_problems(own_digits))


def test_another_whitener_and_dead_letters(own_digits):
    folder = epath.Path(own_digits)
    whitener = Whitener.load(folder / WHITENER)
    dataclasses.replace(whitener, data_fingerprint="0" * 64).save(folder / WHITENER)
    (folder / "dead_letter.jsonl").write_text('{"key": "a", "reason": "b", "sha256": "c"}\n')
    files = tuple(
        dataclasses.replace(file, bytes=(folder / file.path).stat().length, sha256=sha256(folder / file.path))
        for file in Manifest.load(folder).files
    )
    _rewrite(folder, files=files)
    lines, whitening = find_problems(folder)
    assert "dead_letter.jsonl has 1 lines, the manifest says 0 bad records" in lines
    assert "whitener.npz is of another data set or whitening" in whitening


def test_no_data_set(tmp_path):
    with pytest.raises(DataError, match="not a prepared data set"):
        list(find_problems(tmp_path))


def test_statistics_are_those_of_numpy(prepared_digits):
    prepared = pipeline.load(prepared_digits)
    images = prepared.train.images.astype(np.float64)
    found = prepared.manifest.statistics["train"]
    assert found.num_pixels == 1297 * 64
    for field in ("mean", "std", "min", "max"):
        np.testing.assert_allclose(getattr(found, field), [getattr(images, field)()], atol=1e-6)


def test_statistics_of_parts_are_those_of_the_whole():
    images = np.random.default_rng(0).normal(3, 2, (50, 4, 5, 3)).astype(np.float32)
    merged = Statistics.merge([Statistics.of(images[:7]), Statistics.of(images[7:])])
    whole = Statistics.of(images)
    assert merged.num_pixels == whole.num_pixels
    assert (merged.min, merged.max) == (whole.min, whole.max)
    np.testing.assert_allclose([merged.mean, merged.std], [whole.mean, whole.std], rtol=1e-12)


def test_large_splits_are_mapped(prepared_digits, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    whole, mapped = load(prepared_digits), load(prepared_digits, max_bytes_in_memory=100_000)
    assert isinstance(mapped.train.images, np.memmap)
    assert not isinstance(mapped.test.images, np.memmap)
    np.testing.assert_array_equal(mapped.train.images, whole.train.images)
    assert list(tmp_path.iterdir()) == []


def test_no_room_to_map(prepared_digits, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(DataError, match=r"has 0\.0 GB free, a split to map into memory needs .*; set TMPDIR"):
        load(prepared_digits, max_bytes_in_memory=0)
