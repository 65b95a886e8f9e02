"""The sums of the fit are those of plain numpy, and exactly the same in any order."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from kerneldistill.pipeline import DataError
from kerneldistill.pipeline.whitening.moments import ChannelMoments, Scatter, unit_images


def _images(seed: int, n: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 4, 3, 2), dtype=np.uint8)


def _scatter(images: np.ndarray) -> Scatter:
    return Scatter.of(unit_images(images.reshape(len(images), -1).astype(np.float32)))


def _same(left: Scatter, right: Scatter) -> bool:
    return (left.count, left.mean, left.norm) == (right.count, right.mean, right.norm) and np.array_equal(
        left.total, right.total
    )


def test_channel_moments_are_those_of_numpy():
    images = _images(0, 50)
    moments = ChannelMoments.of(images)
    np.testing.assert_allclose(moments.mean(), images.mean(axis=(0, 1, 2)), rtol=1e-14)
    np.testing.assert_allclose(moments.std(), images.std(axis=(0, 1, 2)), rtol=1e-14)


def test_a_channel_that_never_varies_divides_by_one():
    assert ChannelMoments.of(np.full((3, 2, 2, 1), 200, np.uint8)).std().tolist() == [1.0]


def test_unit_images_have_mean_zero_and_length_one():
    rows = _images(1).reshape(7, -1).astype(np.float32)
    unit = unit_images(rows)
    np.testing.assert_allclose(unit.features.mean(axis=1), 0, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(unit.features, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(unit.features * unit.norm[:, None] + unit.mean[:, None], rows, rtol=1e-5)


def test_an_image_of_one_colour_becomes_zero_not_noise():
    assert not unit_images(np.full((2, 48), 0.1, np.float32)).features.any()


def test_scatter_is_that_of_numpy():
    rows = _images(2, 40).reshape(40, -1).astype(np.float64)
    centred = rows - rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1)
    unit = centred / norms[:, None]
    scatter = _scatter(_images(2, 40))
    np.testing.assert_allclose(scatter.second_moment(), unit.T @ unit / 40, atol=1e-8)
    assert scatter.image_mean() == pytest.approx(rows.mean(), rel=1e-7)
    assert scatter.image_norm() == pytest.approx(norms.mean(), rel=1e-7)


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(6)), cut=st.integers(1, 5))
def test_any_order_and_grouping_of_merges_gives_the_same_bits(order, cut):
    def merged(indices):
        total = _scatter(_images(indices[0]))
        for index in indices[1:]:
            total = total.merge(_scatter(_images(index)))
        return total

    assert _same(merged(order[:cut]).merge(merged(order[cut:])), merged(range(6)))

    parts = [ChannelMoments.of(_images(index)) for index in order]
    left, right = parts[0], parts[-1]
    for part in parts[1:cut]:
        left = left.merge(part)
    for part in parts[cut:-1]:
        right = right.merge(part)
    together = left.merge(right) if cut < 6 else left
    everything = ChannelMoments.of(np.concatenate([_images(index) for index in range(6)]))
    assert np.array_equal(together.counts, everything.counts)


def test_more_images_than_fixed_point_holds_are_refused():
    huge = Scatter(2**27 - 1, np.zeros((2, 2), np.int64), np.zeros(2, np.int64), 0, 0)
    with pytest.raises(DataError, match=r"134217728 images to whiten; allowed: fewer than 134217728"):
        huge.merge(Scatter(1, np.zeros((2, 2), np.int64), np.zeros(2, np.int64), 0, 0))
