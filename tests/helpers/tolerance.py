"""How close is close: one table for the whole suite, keyed by dtype, relative to the largest entry of the truth."""

import numpy as np

FORWARD = {"float64": 1e-10, "float32": 1e-5}
GRADIENT = {"float64": 1e-7, "float32": 1e-3}


def assert_close(found, truth, tolerance: float) -> None:
    """Every entry within `tolerance` times the largest entry of the truth: a norm would forgive a wrong row."""
    found, truth = np.asarray(found, np.float64), np.asarray(truth, np.float64)
    assert found.shape == truth.shape
    np.testing.assert_allclose(found, truth, rtol=0, atol=tolerance * np.abs(truth).max())
