"""Compare real data sets, where there are any, with plain numpy: sizes, statistics and whitening."""

from pathlib import Path

import numpy as np
import pytest

from kerneldistill import pipeline
from kerneldistill.pipeline import DataConfig, DataError
from kerneldistill.pipeline.sources.opening import open_source

SHARED = Path(pipeline.__file__).parents[2] / "shared" / "data"
needs_data = pytest.mark.skipif(not (SHARED / "tfds").is_dir(), reason="no ../shared/data/tfds beside the project")
needs_tfrecord = pytest.mark.skipif(not (SHARED / "tfds_tfrecord").is_dir(), reason="no ../shared/data/tfds_tfrecord")


@needs_tfrecord
def test_tfrecord_needs_tensorflow_or_reads_the_same_as_array_record():
    config = DataConfig(name="mnist", dir=str(SHARED / "tfds_tfrecord"))
    try:
        import tensorflow  # noqa: F401
    except ImportError:
        with pytest.raises(DataError, match=r"needs TensorFlow: pip install -e '\.\[tf\]'"):
            open_source(config)
        return
    twin = open_source(DataConfig(name="mnist", dir=str(SHARED / "tfds")))
    assert list(open_source(config).read("test", 990, 1010)) == list(twin.read("test", 990, 1010))


@needs_data
@pytest.mark.parametrize(("name", "shape"), [("mnist", (28, 28, 1)), ("cifar10", (32, 32, 3))])
def test_real_sets_open(name, shape):
    source = open_source(DataConfig(name=name, dir=str(SHARED / "tfds")))
    assert (source.image_shape, len(source.class_names), source.num_examples("test")) == (shape, 10, 10000)


@pytest.mark.slow
@needs_data
def test_cifar10_standard(tmp_path):
    config = DataConfig(name="cifar10", dir=str(SHARED / "tfds"))
    manifest = pipeline.prepare(config, tmp_path / "out")
    assert manifest.class_counts == {"train": (4500,) * 10, "validation": (500,) * 10, "test": (1000,) * 10}
    prepared = pipeline.load(tmp_path / "out")
    np.testing.assert_allclose(prepared.train.images.mean(axis=(0, 1, 2), dtype=np.float64), 0, atol=1e-6)
    np.testing.assert_allclose(prepared.train.images.std(axis=(0, 1, 2), dtype=np.float64), 1, atol=1e-6)
    # Of all 50,000 images, decoded accurately; 45,000 of them come close.
    np.testing.assert_allclose(prepared.whitener.channel_mean, [0.49125, 0.48209, 0.44652], atol=1e-3)
    np.testing.assert_allclose(prepared.whitener.channel_std, [0.24523, 0.24278, 0.26063], atol=1e-3)


@pytest.mark.slow
@needs_data
def test_cifar10_kip_zca_is_that_of_plain_numpy(tmp_path):
    data = str(SHARED / "tfds")
    for whiten in ("none", "kip_zca"):
        pipeline.prepare(DataConfig(name="cifar10", dir=data, whiten=whiten), tmp_path / whiten)
    raw, prepared = pipeline.load(tmp_path / "none"), pipeline.load(tmp_path / "kip_zca")

    mean = raw.train.images.mean(axis=(0, 1, 2), dtype=np.float64)
    std = raw.train.images.std(axis=(0, 1, 2), dtype=np.float64)

    def unit(images):
        rows = ((images - mean) / std).reshape(len(images), -1)
        rows -= rows.mean(axis=1, keepdims=True)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    train = unit(raw.train.images)
    covariance = train.T @ train / len(train)
    ridge = 0.1 * np.trace(covariance) / 3072
    s, u = np.linalg.eigh(covariance)
    expected = unit(raw.test.images[:2000]) @ (u / np.sqrt(s + ridge)) @ u.T
    found = prepared.test.images[:2000].reshape(2000, -1)
    lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
    cosines = (expected * found).sum(axis=1) / lengths
    assert cosines.mean() >= 0.99999
    assert cosines.min() >= 0.9999
    del train, u

    rows = prepared.train.images.reshape(len(prepared.train), -1)
    whitened = np.zeros((3072, 3072))
    for start in range(0, len(rows), 1000):
        batch = rows[start : start + 1000].astype(np.float64)
        whitened += batch.T @ batch
    eigenvalues = np.linalg.eigvalsh(whitened / len(rows))
    # One direction has none: each image has mean 0.
    np.testing.assert_allclose(eigenvalues, s / (s + ridge), rtol=0.02, atol=1e-6)

    whitener, pixels = prepared.whitener, np.rint(raw.test.images[:1000] * 255).astype(np.uint8)
    there = whitener.apply(pixels)
    back = whitener.invert(there, whitener.forgotten(pixels))
    np.testing.assert_allclose(back / 255, pixels / 255, atol=1e-5)
    np.testing.assert_allclose(whitener.apply(whitener.invert(there)), there, rtol=1e-5, atol=1e-5)
