"""Whitening: against an independent float64 definition, and back again."""

import numpy as np
import pytest

from pipeline import DataError, Whitener
from pipeline.fit import channel_whitener, identity_whitener, zca_whitener
from pipeline.moments import ChannelMoments, Scatter, unit_images

SHAPE = (4, 3, 2)


def _images(n: int, seed: int = 0) -> np.ndarray:
    """Pictures with structure: neighbouring pixels are alike."""
    noise = np.random.default_rng(seed).normal(size=(n, *SHAPE))
    return np.clip(np.cumsum(np.cumsum(noise, axis=1), axis=2) * 30 + 120, 0, 255).astype(np.uint8)


def _fit(kind: str, images: np.ndarray, reg: float = 0.1) -> Whitener:
    if kind == "none":
        return identity_whitener(SHAPE, "f")
    standard = channel_whitener(ChannelMoments.of(images), SHAPE, len(images), "f")
    if kind == "standard":
        return standard
    rows = standard.standardise(images).reshape(len(images), -1)
    half = len(images) // 2
    scatter = Scatter.of(unit_images(rows[:half])).merge(Scatter.of(unit_images(rows[half:])))
    return zca_whitener(standard, scatter, reg)


def _kip_zca(train: np.ndarray, images: np.ndarray, reg: float = 0.1) -> np.ndarray:
    """The definition, by singular values, in float64, with nothing of the module under test."""

    def unit(x):
        x = ((x / 1.0 - train.mean(axis=(0, 1, 2))) / train.std(axis=(0, 1, 2))).reshape(len(x), -1)
        x = x - x.mean(axis=1, keepdims=True)
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    z = unit(train)
    n, d = z.shape
    covariance = z.T @ z / n
    u, s, _ = np.linalg.svd(covariance + reg * np.trace(covariance) / d * np.eye(d))
    scale = 1 / np.sqrt(s)
    scale[n:] = 1
    return (unit(images) @ (u * scale) @ u.T).reshape(images.shape)


def _mean_cosine(left: np.ndarray, right: np.ndarray) -> float:
    left, right = left.reshape(len(left), -1).astype(np.float64), right.reshape(len(right), -1)
    return float(np.mean((left * right).sum(1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)))


def test_none_is_pixels_over_255():
    images = _images(5)
    np.testing.assert_allclose(_fit("none", images).apply(images), images / 255, rtol=1e-6)


def test_standard_is_that_of_numpy():
    images = _images(60)
    expected = (images - images.mean(axis=(0, 1, 2))) / images.std(axis=(0, 1, 2))
    np.testing.assert_allclose(_fit("standard", images).apply(images), expected, atol=1e-5)


@pytest.mark.parametrize("n", [200, 10], ids=["more images than features", "fewer, rank control"])
def test_kip_zca_is_its_definition(n):
    train, other = _images(n), _images(20, seed=1)
    whitened = _fit("kip_zca", train).apply(other)
    assert _mean_cosine(whitened, _kip_zca(train, other)) >= 0.999999
    np.testing.assert_allclose(whitened, _kip_zca(train, other), atol=1e-4)


def test_kip_zca_whitens_what_the_ridge_lets_it():
    train = _images(500)
    rows = _fit("kip_zca", train, reg=1e-3).apply(train).reshape(500, -1).astype(np.float64)
    eigenvalues = np.linalg.eigvalsh(rows.T @ rows / 500)
    assert eigenvalues[-1] == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize("kind", ["none", "standard", "kip_zca"])
def test_invert_goes_back_and_apply_forth(kind):
    train = _images(200)
    whitener = _fit(kind, train)
    whitened = whitener.apply(train)
    pixels = whitener.invert(whitened)
    assert pixels.dtype == np.float32
    if kind != "kip_zca":
        np.testing.assert_allclose(pixels, train, atol=1e-3)
    np.testing.assert_allclose(whitener.apply(pixels), whitened, rtol=1e-5, atol=1e-5)


def test_inverse_of_kip_zca_loses_brightness_and_contrast_only():
    train = _images(200)
    whitener = _fit("kip_zca", train)
    pixels = whitener.standardise(whitener.invert(whitener.apply(train))).reshape(200, -1)
    original = whitener.standardise(train).reshape(200, -1)
    for found, true in zip(pixels, original, strict=True):
        slope, offset = np.polyfit(true, found, 1)
        assert slope > 0
        np.testing.assert_allclose(slope * true + offset, found, atol=1e-4)


def test_float_images_are_taken_too():
    train = _images(50)
    whitener = _fit("kip_zca", train)
    np.testing.assert_allclose(whitener.apply(train.astype(np.float64)), whitener.apply(train), atol=1e-5)


@pytest.mark.parametrize("kind", ["none", "standard", "kip_zca"])
def test_a_whitener_survives_the_disk(kind, tmp_path):
    whitener = _fit(kind, _images(50))
    whitener.save(tmp_path / "a.npz")
    again = Whitener.load(tmp_path / "a.npz")
    for name, value in vars(whitener).items():
        if name != "_W32":
            np.testing.assert_array_equal(getattr(again, name), value, err_msg=name)
            assert type(getattr(again, name)) is type(value), name
    again.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"not a zip file", b"PK\x03\x04"])
def test_what_is_not_a_whitener_is_refused(content, tmp_path):
    path = tmp_path / "w.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"w\.npz is not a readable whitener"):
        Whitener.load(path)


def test_another_version_is_refused(tmp_path):
    np.savez(tmp_path / "w.npz", version=99)
    with pytest.raises(DataError, match="has version 99; this program reads 2"):
        Whitener.load(tmp_path / "w.npz")


def test_a_wrong_shape_is_refused():
    with pytest.raises(DataError, match=r"images are \(2, 3, 4, 2\); this whitener is for \[n, 4, 3, 2\]"):
        _fit("none", _images(1)).apply(np.zeros((2, 3, 4, 2), np.uint8))


def test_a_singular_covariance_is_refused():
    with pytest.raises(DataError, match="zca_reg is 1e-30: the covariance of 200 images is singular"):
        _fit("kip_zca", _images(200), reg=1e-30)
