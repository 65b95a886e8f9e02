"""The arc cosine of the innermost loop, to the last digits of each dtype."""

import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kerneldistill.kernels.activations.arccos import arccos_unit


@jax.jit
def _arccos(u: jax.Array) -> tuple[jax.Array, jax.Array]:
    return arccos_unit(u)


def arccos(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    angle, sine = _arccos(u)
    assert angle.dtype == sine.dtype == u.dtype
    return np.asarray(angle), np.asarray(sine)


@given(st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_float64_is_accurate_to_rounding(u: float) -> None:
    angle, sine = arccos(np.array([u]))
    # numpy's own arccos is good to an ulp; relative accuracy matters as u -> 1, where images are alike.
    np.testing.assert_allclose(angle, np.arccos([u]), rtol=4e-16, atol=0)
    np.testing.assert_allclose(sine, np.sqrt((1 - u) * (1 + np.array([u]))), rtol=4e-16, atol=0)


@given(st.floats(0, 1, width=32))
@settings(max_examples=300, deadline=None)
def test_float32_is_accurate_to_the_kernel_s_tolerance(u: float) -> None:
    angle, sine = arccos(np.array([u], np.float32))
    np.testing.assert_allclose(angle, np.arccos([u]), rtol=3e-7, atol=0)
    np.testing.assert_allclose(sine, np.sqrt((1 - u) * (1 + np.array([u]))), rtol=3e-7, atol=0)


def test_equal_images_are_at_angle_zero() -> None:
    for dtype in (np.float32, np.float64):
        np.testing.assert_array_equal(arccos(np.ones(1, dtype)), np.zeros((2, 1)))
