"""Features on disk are those of the encoder; what a kill leaves is gone on from, what is damaged is made again."""

import logging
from pathlib import Path

import jax
import numpy as np
import pytest

import kerneldistill.algorithms.kept_features
from kerneldistill.algorithms.kept_features import KeptFeatures
from kerneldistill.errors import UserError
from kerneldistill.kernels.feature_engine import FeatureEngine
from kerneldistill.kernels.feature_kernel import features
from tests.helpers.encoders import SHAPE, D, encoder
from tests.helpers.kernels import images

X = images(11, SHAPE, "float32")


@pytest.fixture(autouse=True)
def _few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kerneldistill.algorithms.kept_features, "ROWS", 4)


def engine(seed: int = 0) -> FeatureEngine:
    return FeatureEngine(features(encoder(seed=seed)), SHAPE, np.dtype("float32"), tuple(jax.devices()[:2]))


def kept(folder: Path, own: FeatureEngine | None = None, x: np.ndarray = X) -> KeptFeatures:
    own = own or engine()
    return KeptFeatures(own, own.identity, x, folder)


def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images are encoded, each time some are."""
    counts: list[int] = []
    of = FeatureEngine.encode
    monkeypatch.setattr(FeatureEngine, "encode", lambda own, x: (counts.append(len(x)), of(own, x))[1])
    return counts


def test_rows_are_those_of_the_encoder_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.array([10, 0, 5, 5, 3])
    found = kept(tmp_path).take(rows)
    assert np.array_equal(found.values, engine().encode(X)[rows])
    assert len(list(tmp_path.glob("*/*.npy"))) == 3
    counts = encoded(monkeypatch)
    assert np.array_equal(kept(tmp_path).take(rows).values, found.values)
    assert counts == []


def test_what_is_missing_or_damaged_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    truth = kept(tmp_path).take(np.arange(11)).values
    first, second, _ = sorted(tmp_path.glob("*/*.npy"))
    first.unlink()
    content = bytearray(second.read_bytes())
    content[-1] ^= 1
    second.write_bytes(content)
    counts = encoded(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(kept(tmp_path).take(np.arange(11)).values, truth)
    assert counts == [4, 4]
    assert [record.message for record in caplog.records] == [f"{second} is damaged, and made again"]


def test_a_kill_costs_the_file_that_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts, of = encoded(monkeypatch), KeptFeatures._make

    def make(own: KeptFeatures, number: int) -> None:
        if number == 2 and len(counts) == 2:
            raise KeyboardInterrupt
        of(own, number)

    monkeypatch.setattr(KeptFeatures, "_make", make)
    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path)
    assert counts == [4, 4]
    monkeypatch.setattr(KeptFeatures, "_make", of)
    assert len(kept(tmp_path)) == 11
    assert counts == [4, 4, 3]


def test_other_images_and_encoders_have_other_files(tmp_path: Path) -> None:
    kept(tmp_path)
    other = X.copy()
    other[0, 0, 0] += 1
    assert np.array_equal(kept(tmp_path, engine(1)).take(np.arange(2)).values, engine(1).encode(X)[:2])
    assert np.array_equal(kept(tmp_path, x=other).take(np.arange(2)).values, engine().encode(other)[:2])
    assert np.array_equal(kept(tmp_path, x=X[:9]).take(np.arange(2)).values, engine().encode(X)[:2])
    assert len(list(tmp_path.iterdir())) == 4


def test_a_disk_without_room_is_told_of_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 11 * D * 4 - 1}))
    with pytest.raises(UserError, match=rf"the 5 features of 11 images take .* {tmp_path}"):
        kept(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_images_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    bad = X.copy()
    bad[7] = np.nan
    with pytest.raises(ValueError, match="must be finite"):
        kept(tmp_path, x=bad)
