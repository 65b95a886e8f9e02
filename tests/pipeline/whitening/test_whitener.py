"""Compare each whitening with an independent float64 definition, and invert it."""

import numpy as np
import pytest

from kerneldistill.pipeline import DataConfig, DataError, Whitener
from kerneldistill.pipeline.whitening.blocks import Blocks
from kerneldistill.pipeline.whitening.moments import unit_images
from kerneldistill.pipeline.whitening.registry import WHITENINGS
from kerneldistill.pipeline.whitening.whitening import whitening_of
from tests.helpers.whiteners import fit_whitener

SHAPE = (4, 6, 2)
KINDS = WHITENINGS


def _images(n: int, seed: int = 0) -> np.ndarray:
    """Make pictures with structure: neighbouring pixels are alike."""
    noise = np.random.default_rng(seed).normal(size=(n, *SHAPE))
    return np.clip(np.cumsum(np.cumsum(noise, axis=1), axis=2) * 30 + 120, 0, 255).astype(np.uint8)


_fit = fit_whitener


def _kip_zca(train: np.ndarray, images: np.ndarray, reg: float = 0.1) -> np.ndarray:
    """Compute the definition by singular values, in float64, with nothing of the module under test."""

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


def _kornia(train: np.ndarray, images: np.ndarray, eps: float = 0.1) -> np.ndarray:
    """Compute kornia's zca_mean and linear_transform (enhance/zca.py, v0.7) of pixels / 255."""
    x = (train / 255).reshape(len(train), -1)
    mean = x.mean(axis=0, keepdims=True)
    centred = x - mean
    u, s, _ = np.linalg.svd(centred.T @ centred / float(len(x) - 1))
    transform = u @ (1 / np.sqrt(s + eps)[:, None] * u.T)
    return (((images / 255).reshape(len(images), -1) - mean) @ transform).reshape(images.shape)


@pytest.mark.parametrize("eps", [0.1, 0.01])
def test_kornia_zca_is_its_definition(eps):
    train, other = _images(200), _images(20, seed=1)
    whitener = _fit("kornia_zca", train, eps)
    np.testing.assert_allclose(whitener.apply(other), _kornia(train, other, eps), atol=1e-5)
    assert (whitener.reg_mode, whitener.per_image_norm) == ("absolute", False)


def test_kornia_zca_needs_two_images():
    with pytest.raises(DataError, match="kornia_zca has 1 images to fit to; allowed: 2 or more"):
        _fit("kornia_zca", np.concatenate([_images(1), _images(1)])[:1])


def test_blocks_are_cut_and_joined():
    blocks = Blocks(SHAPE, 2)
    images = np.arange(3 * 48).reshape(3, *SHAPE)
    cut = blocks.cut(images.reshape(3, -1))
    assert cut.shape == (blocks.count, 3, blocks.features) == (6, 3, 8)
    np.testing.assert_array_equal(cut[4], images[:, 2:4, 2:4].reshape(3, -1))
    np.testing.assert_array_equal(blocks.join(cut), images.reshape(3, -1))


def test_kornia_in_blocks_is_kornia_of_each_block():
    train, other = _images(200), _images(20, seed=1)
    found = _fit("kornia_zca", train, block=2).apply(other)
    for y in (0, 2):
        for x in (0, 2, 4):
            here = slice(None), slice(y, y + 2), slice(x, x + 2)
            np.testing.assert_allclose(found[here], _kornia(train[here], other[here]), atol=1e-5)


def test_kip_in_blocks_whitens_each_block_of_the_unit_image():
    train = _images(500)
    standard = _fit("standard", train)
    unit = unit_images(standard.standardise(train).reshape(500, -1)).features.reshape(train.shape).astype(np.float64)
    found = _fit("kip_zca", train, block=2).apply(train)
    for here in ((slice(None), slice(0, 2), slice(4, 6)), (slice(None), slice(2, 4), slice(0, 2))):
        z = unit[here].reshape(500, -1)
        covariance = z.T @ z / 500
        s, u = np.linalg.eigh(covariance + 0.1 * np.trace(covariance) / 8 * np.eye(8))
        np.testing.assert_allclose(found[here].reshape(500, -1), z @ (u / np.sqrt(s)) @ u.T, atol=1e-4)


def test_one_block_is_no_blocks():
    train = _images(100)[:, :, :4]
    whole, one = _fit("kip_zca", train), _fit("kip_zca", train, block=4)
    assert whole.W.shape == (32, 32)
    assert one.W.shape == (1, 32, 32)
    np.testing.assert_allclose(one.apply(train), whole.apply(train), atol=1e-6)


def _check(shape: tuple[int, int, int], config: DataConfig) -> None:
    whitening_of(config.whiten).check(shape, config.zca_block)


@pytest.mark.parametrize(
    ("shape", "changes", "message"),
    [
        ((64, 64, 3), {}, r"several matrices of 1\.2 GB; allowed: 1\.1 GB each; set data\.zca_block to 32 or less"),
        ((64, 48, 3), {"zca_block": 10}, "zca_block is 10; allowed for images of 64 x 48: 0, 1, 2, 4, 8, 16"),
        ((8, 8, 1), {"zca_block": 4, "whiten": "standard"}, "zca_block is 4, of whiten = 'standard'; allowed: 0"),
        ((40000, 40000, 3), {"zca_block": 1}, "use whiten = 'standard'"),
    ],
)
def test_what_does_not_fit_is_refused(shape, changes, message):
    with pytest.raises(DataError, match=message):
        _check(shape, DataConfig(**{"whiten": "kip_zca", **changes}))


def test_what_fits_is_not_refused():
    _check((32, 32, 3), DataConfig(whiten="kip_zca"))
    _check((64, 64, 3), DataConfig(whiten="kornia_zca", zca_block=32))


def test_kip_zca_whitens_what_the_ridge_lets_it():
    train = _images(500)
    rows = _fit("kip_zca", train, reg=1e-3).apply(train).reshape(500, -1).astype(np.float64)
    eigenvalues = np.linalg.eigvalsh(rows.T @ rows / 500)
    assert eigenvalues[-1] == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize("block", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_forward_and_inverse_are_exact(kind, block):
    if block and not whitening_of(kind).is_zca:
        pytest.skip("only a ZCA has blocks")
    train = _images(200)
    whitener = _fit(kind, train, block=block)
    whitened = whitener.apply(train)
    np.testing.assert_allclose(whitener.apply(whitener.invert(whitened)), whitened, rtol=1e-5, atol=1e-5)
    pixels = whitener.invert(whitened, whitener.forgotten(train) if whitener.per_image_norm else None)
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels / 255, train / 255, atol=1e-5)


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


@pytest.mark.parametrize("kind", KINDS)
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
    with pytest.raises(DataError, match=r"w\.npz (cannot be read|is damaged)"):
        Whitener.load(path)


def test_another_version_is_refused(tmp_path):
    np.savez(tmp_path / "w.npz", version=99)
    with pytest.raises(DataError, match="has version 99; this program reads 2"):
        Whitener.load(tmp_path / "w.npz")


def test_a_wrong_shape_is_refused():
    with pytest.raises(DataError, match=r"images are \(2, 3, 4, 2\); this whitener is for \[n, 4, 6, 2\]"):
        _fit("none", _images(1)).apply(np.zeros((2, 3, 4, 2), np.uint8))


def test_a_singular_covariance_is_refused():
    with pytest.raises(DataError, match="zca_reg is 1e-30: the covariance of 200 images is singular"):
        _fit("kip_zca", _images(200), reg=1e-30)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_what_its_properties_say(kind):
    whitening, train = whitening_of(kind), _images(200)
    whitener = _fit(kind, train)
    assert whitening.name == whitener.kind == kind
    assert whitening.is_zca == bool(whitener.W.size) == (whitening.passes == 2)
    assert whitening.forgets_scale == whitener.per_image_norm
    mean = train.mean(axis=(0, 1, 2))
    paler = mean + (train - mean) / 2
    assert np.allclose(whitener.apply(paler), whitener.apply(train), atol=1e-4) == whitening.forgets_scale
    assert np.allclose(whitener.channel_mean, mean / 255) == whitening.keeps_channels


def test_a_kind_that_is_none_is_refused():
    with pytest.raises(DataError, match="whiten is 'zca'; allowed: kip_zca, kornia_zca, standard, none"):
        whitening_of("zca")


def test_pixels_between_0_and_1_are_refused():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 1), np.uint8)
    whitener = fit_whitener("standard", pixels)
    np.testing.assert_array_equal(whitener.apply(pixels), whitener.apply(pixels.astype(np.float32)))
    for images in (pixels / 255, (pixels / 127.5 - 1).astype(np.float32)):
        with pytest.raises(DataError, match="pixels are 0 to 255: multiply them by 255"):
            whitener.apply(images)
    whitener.apply(np.zeros_like(pixels, np.float32))
