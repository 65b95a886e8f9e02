"""Read and write URLs, with an object store in memory behind gs://."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from etils import epath

from kerneldistill import pipeline
from kerneldistill.pipeline import DataConfig, DataError
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.pipeline.verification import find_problems
from tests.helpers.bucket import Bucket, bucket
from tests.helpers.tiny_tfds import examples, picture, write_tfds

__all__ = ["bucket"]
OUT = "gs://team/digits"
CONFIG = DataConfig(whiten="kip_zca", batch_size=600)


def _objects() -> dict[str, bytes]:
    return {name: bytes(file.getbuffer()) for name, file in Bucket.store.items()}


def _upload(folder: Path, url: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            (epath.Path(url) / str(path.relative_to(folder))).write_bytes(path.read_bytes())


def test_a_data_set_at_a_url_is_that_of_a_folder(bucket, tmp_path):
    here = pipeline.prepare(CONFIG, tmp_path / "out")
    there = pipeline.prepare(CONFIG, OUT)
    assert there.root == f"data-{there.fingerprint[:16]}"
    assert dataclasses.replace(there, root="") == here
    names = {"manifest.json"} | {f"{there.root}/{file.path}" for file in (*there.files, *there.shards)}
    assert set(_objects()) == {f"/team/digits/{name}" for name in names}
    assert list(find_problems(OUT)) == []
    left, right = pipeline.load(OUT), pipeline.load(tmp_path / "out")
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(left, split).images, getattr(right, split).images)
    np.testing.assert_array_equal(left.probe, right.probe)


def test_an_unchanged_one_is_kept_and_a_changed_one_replaced(bucket):
    first = pipeline.prepare(DataConfig(batch_size=600), OUT)
    before = _objects()
    assert pipeline.prepare(DataConfig(batch_size=600), OUT) == first
    assert _objects() == before
    second = pipeline.prepare(DataConfig(batch_size=600, seed=1), OUT, overwrite=True)
    assert pipeline.load(OUT).manifest == second
    assert not [name for name in _objects() if first.root in name]


def test_what_a_killed_run_left_is_removed_and_the_old_stays_until_the_end(bucket, monkeypatch):
    first = pipeline.prepare(DataConfig(batch_size=600), OUT)
    epath.Path(f"{OUT}/data-0123/raw/train-00000.npz").write_bytes(b"half")

    def die(*_):
        raise RuntimeError("killed")

    monkeypatch.setattr(Manifest, "save", die)
    with pytest.raises(RuntimeError, match="killed"):
        pipeline.prepare(DataConfig(batch_size=600, seed=1), OUT, overwrite=True)
    monkeypatch.undo()
    assert "data-0123" not in "".join(_objects())
    assert pipeline.load(OUT).manifest == first


def test_damage_is_found_and_mended(bucket):
    manifest = pipeline.prepare(DataConfig(batch_size=600), OUT)
    before = _objects()
    path = epath.Path(f"{OUT}/{manifest.root}/{manifest.shards[0].path}")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"gs://team/digits/data-.* bytes, the manifest says"):
        pipeline.load(OUT)
    pipeline.prepare(DataConfig(batch_size=600), OUT)
    assert _objects() == before


def test_sources_at_urls(bucket, tmp_path):
    write_tfds(tmp_path / "tfds", {"train": examples(20), "test": examples(9, seed=1)})
    _upload(tmp_path / "tfds", "gs://data/tfds")
    rng = np.random.default_rng(0)
    arrays = {f"x_{split}": rng.integers(0, 256, (n, 4, 4), dtype=np.uint8) for split, n in (("train", 9), ("test", 5))}
    labels = {f"y_{split}": np.arange(n) % 2 for split, n in (("train", 9), ("test", 5))}
    np.savez(tmp_path / "mine.npz", **arrays, **labels)
    epath.Path("gs://data/mine.npz").write_bytes((tmp_path / "mine.npz").read_bytes())
    for name in ("train/cat/1.png", "train/dog/1.png", "test/cat/2.png", "test/dog/2.png"):
        (tmp_path / "pets" / name).parent.mkdir(parents=True)
        (tmp_path / "pets" / name).write_bytes(picture(len(name), "PNG"))
    _upload(tmp_path / "pets", "gs://data/pets")
    keys = {"image_key": "x_{split}", "label_key": "y_{split}"}
    for config, here in (
        (DataConfig(name="tiny", dir="gs://data/tfds"), tmp_path / "tfds"),
        (DataConfig(name="mine", source="npz", dir="gs://data/mine.npz", **keys), tmp_path / "mine.npz"),
        (DataConfig(name="pets", source="folder", dir="gs://data/pets"), tmp_path / "pets"),
    ):
        there, near = open_source(config), open_source(dataclasses.replace(config, dir=str(here)))
        assert (there.splits, there.class_names, there.image_shape) == (near.splits, near.class_names, near.image_shape)
        assert there.fingerprint(("train", "test")) == near.fingerprint(("train", "test"))
        for left, right in zip(there.read("train", 0, 2), near.read("train", 0, 2), strict=True):
            assert (left.key, left.label) == (right.key, right.label)
            np.testing.assert_array_equal(left.image, right.image)


def test_what_is_not_ours_is_not_replaced(bucket):
    epath.Path(f"{OUT}/thesis.tex").write_bytes(b"")
    with pytest.raises(DataError, match="it is not ours to replace: give another URL"):
        pipeline.prepare(DataConfig(), OUT)


def test_a_scheme_nobody_knows():
    with pytest.raises(DataError, match=r"output ftp://host/out cannot be reached \(KeyError"):
        pipeline.prepare(DataConfig(), "ftp://host/out")
