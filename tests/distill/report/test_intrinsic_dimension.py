"""The intrinsic dimension of sets whose dimension is known."""

import numpy as np
import pytest

from kerneldistill.report.intrinsic_dimension import LEVEL, dimension_of_ratios, intrinsic_dimension


@pytest.mark.parametrize("d", [1, 2, 5])
def test_a_flat_cube_turned_in_space(d: int) -> None:
    rng = np.random.default_rng(d)
    turned = np.linalg.qr(rng.normal(size=(20, d)))[0]
    found = intrinsic_dimension((rng.uniform(size=(2000, d)) @ turned.T).reshape(-1, 5, 4))
    assert found.low < found.value < found.high
    assert abs(found.value - d) < 0.12 * d  # the faces of the cube take a little
    assert found.points == 2000


def test_a_curved_surface_is_two_dimensional() -> None:
    points = np.random.default_rng(0).normal(size=(2000, 3))
    found = intrinsic_dimension(points / np.linalg.norm(points, axis=1, keepdims=True))
    assert abs(found.value - 2) < 0.2


def test_neither_scale_nor_place_matters() -> None:
    points = np.random.default_rng(1).normal(size=(30, 4))
    np.testing.assert_allclose(intrinsic_dimension(7 * points - 3), intrinsic_dimension(points), rtol=1e-9)


def test_the_value_is_unbiased_and_the_interval_holds_it() -> None:
    d, draws, rng = 4.0, 400, np.random.default_rng(2)
    found = [dimension_of_ratios(rng.uniform(size=20) ** (-1 / d)) for _ in range(draws)]
    values = np.array([f.value for f in found])
    assert abs(values.mean() - d) < 4 * values.std() / np.sqrt(draws)
    covered = np.mean([f.low <= d <= f.high for f in found])
    assert abs(covered - LEVEL) < 4 * np.sqrt(LEVEL * (1 - LEVEL) / draws)


def test_copies_and_few_points_have_none() -> None:
    assert intrinsic_dimension(np.zeros((50, 3))) is None
    assert intrinsic_dimension(np.eye(9)) is None  # every neighbour equally far
    assert intrinsic_dimension(np.random.default_rng(0).normal(size=(4, 3))) is None
    assert intrinsic_dimension(np.zeros((0, 3))) is None
    points = np.random.default_rng(0).normal(size=(9, 3))
    assert intrinsic_dimension(np.concatenate([points, points[:3]])).points == 6
