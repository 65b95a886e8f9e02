"""Read a thousand broken pictures among good ones: each is named, or decodes to what its bytes say."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kerneldistill import pipeline
from kerneldistill.pipeline import DataConfig, DataError
from kerneldistill.pipeline.prepared import load
from kerneldistill.pipeline.storage.shard import read_shard
from tests.helpers.corruption import SHAPE, Broken, broken, encode, smooth

COUNT = 1000
GOOD = 300


@pytest.fixture(scope="module")
def hospital(tmp_path_factory) -> tuple[Path, dict[str, Broken | np.ndarray]]:
    """Write good and broken pictures with the digests from before they broke; return what each is."""
    folder, rng = tmp_path_factory.mktemp("hospital"), np.random.default_rng(1)
    for split in ("train", "test"):
        for label in ("a", "b"):
            (folder / split / label).mkdir(parents=True)
    truth: dict[str, Broken | np.ndarray] = {}
    sums = []
    for number in range(GOOD):
        name = f"{'test' if number < 20 else 'train'}/{'ab'[number % 2]}/good-{number:04d}.png"
        truth[name] = smooth(rng)
        (folder / name).write_bytes(encode(truth[name], "PNG"))
        sums.append((hashlib.sha256((folder / name).read_bytes()).hexdigest(), name))
    for number, case in enumerate(broken(COUNT)):
        name = f"train/a/broken-{number:04d}.jpg"
        truth[name] = case
        (folder / name).write_bytes(case.content)
        damaged = case.how.startswith(("truncated", "bit-flipped", "zeroed"))
        original = b"what it was before" if damaged else case.content
        sums.append((hashlib.sha256(original).hexdigest(), name))
    (folder / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for digest, name in sums))
    return folder, truth


def _config(folder: Path, **changes) -> DataConfig:
    base = {"name": "hospital", "source": "folder", "dir": str(folder), "whiten": "none", "validation_fraction": 0.0}
    return DataConfig(**{**base, "height": 16, "width": 16, "channels": 3, "max_bad_fraction": 1.0, **changes})


def _output(out: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the pixels of what came through, and the reasons of what did not, by key."""
    manifest = load(out).manifest
    through = {}
    for shard in manifest.shards:
        content = read_shard(out / shard.path)
        through |= zip(content.keys, np.rint(content.images * 255).astype(np.uint8), strict=True)
    lines = [json.loads(line) for line in (out / "dead_letter.jsonl").read_text().splitlines()]
    assert manifest.num_bad == len(lines)
    return through, {line["key"]: line["reason"] for line in lines}


def test_none_comes_through_wrongly_decoded(hospital, tmp_path):
    folder, truth = hospital
    pipeline.prepare(_config(folder), tmp_path / "out")
    through, named = _output(tmp_path / "out")
    assert set(through) | set(named) == set(truth)
    assert not set(through) & set(named)
    for key, expected in truth.items():
        if isinstance(expected, np.ndarray):
            assert np.array_equal(through[key], expected)
        elif key in through:
            assert np.array_equal(through[key], expected.pixels), expected.how
        else:
            assert named[key], expected.how
    kinds = Counter(truth[key].how.split()[0] for key in named)
    assert set(kinds) == {"truncated", "bit-flipped", "zeroed", "zero", "wrong", "16-bit", "palette", "CMYK"}
    # What may come through: a plain palette, and other formats that hold the same picture.
    assert {truth[key].how for key in through if "broken" in key} == {
        "palette",
        "wrong format: GIF",
        "wrong format: BMP",
        "wrong format: TIFF",
    }


def test_without_a_list_of_digests_only_jpeg_can_deceive(hospital, tmp_path):
    folder, truth = hospital
    bare = tmp_path / "bare"
    for name in truth:
        (bare / name).parent.mkdir(parents=True, exist_ok=True)
        (bare / name).symlink_to(folder / name)
    pipeline.prepare(_config(bare), tmp_path / "out")
    through, _ = _output(tmp_path / "out")
    wrong = Counter(
        truth[key].how
        for key, found in through.items()
        if isinstance(truth[key], Broken)
        and (truth[key].pixels is None or not np.array_equal(found, truth[key].pixels))
    )
    # A JPEG file has no checksum: there is no way to see it. `open_folder` warns of it.
    assert set(wrong) <= {"bit-flipped JPEG", "zeroed JPEG", "truncated JPEG"}, wrong


def test_a_thousand_are_more_than_allowed(hospital, tmp_path):
    with pytest.raises(DataError, match=r"of 1300 records of hospital are bad .*; allowed: 0\.001 of them"):
        pipeline.prepare(_config(hospital[0], max_bad_fraction=0.001), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_broken_are_broken():
    assert len({case.content for case in broken(COUNT)}) > 0.85 * COUNT
    assert all(case.pixels is None or case.pixels.shape == SHAPE for case in broken(100))
