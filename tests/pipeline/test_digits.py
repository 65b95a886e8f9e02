"""digits from nothing to memory, through Beam."""

import numpy as np
import pytest

import pipeline
from pipeline import DataConfig


@pytest.mark.parametrize("whiten", ["none", "standard", "kip_zca"])
def test_digits_end_to_end(tmp_path, whiten):
    config = DataConfig(whiten=whiten, batch_size=400)
    manifest = pipeline.prepare(config, tmp_path / "digits")
    prepared = pipeline.load(tmp_path / "digits")

    assert prepared.manifest == manifest
    assert prepared.train.images.shape == (1297, 8, 8, 1)
    assert np.bincount(prepared.validation.labels).tolist() == [14] * 10
    assert (manifest.num_in, manifest.num_bad) == (1797, 0)
    assert sum(manifest.count(split) for split in ("train", "validation", "test")) == 1797
    # The raw probe whitened now is what was written then.
    np.testing.assert_allclose(prepared.whitener.apply(prepared.probe), prepared.test.images[:8], atol=1e-5)
    if whiten == "standard":
        np.testing.assert_allclose(prepared.train.images.mean(), 0, atol=1e-5)
        np.testing.assert_allclose(prepared.train.images.std(), 1, atol=1e-5)
