"""Power laws: against lines in logarithms that are known, numpy's polynomial fit, and how often the interval holds."""

import numpy as np
import pytest
from scipy import stats

from kerneldistill.algorithms.power_law import LEVEL, power_law, spectrum_law


def test_a_power_law_is_found_exactly() -> None:
    sizes = np.array([10, 20, 50, 100])
    law = power_law(sizes, 3.0 * sizes**-0.4)
    assert (law.exponent, law.factor, law.points) == (pytest.approx(0.4), pytest.approx(3.0), 4)
    assert law.low == pytest.approx(0.4, abs=1e-6)
    assert law.high == pytest.approx(0.4, abs=1e-6)
    np.testing.assert_allclose(law.at([1, 10]), [3.0, 3.0 * 10**-0.4])


def test_the_interval_is_that_of_the_covariance_of_the_fit() -> None:
    rng = np.random.default_rng(0)
    x = np.geomspace(10, 1000, 9)
    y = x**-0.5 * np.exp(0.2 * rng.standard_normal(9))
    slope, covariance = np.polyfit(np.log(x), np.log(y), 1, cov=True)
    half = stats.t.ppf(0.975, 7) * np.sqrt(covariance[0, 0])
    law = power_law(x, y)
    np.testing.assert_allclose([law.exponent, law.low, law.high], [-slope[0], -slope[0] - half, -slope[0] + half])


def test_the_interval_holds_the_exponent_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    x = np.geomspace(10, 1000, 6)
    laws = [power_law(x, x**-0.3 * np.exp(0.3 * rng.standard_normal(6))) for _ in range(2000)]
    assert np.mean([law.low < 0.3 < law.high for law in laws]) == pytest.approx(LEVEL, abs=0.02)


def test_two_sizes_tell_nothing() -> None:
    assert power_law([10, 20, 20], [0.4, 0.3, 0.31]) is None
    assert power_law([], []) is None


def test_a_spectrum_without_its_largest_and_without_rounding() -> None:
    values = np.r_[100.0, np.arange(2.0, 9) ** -1.7, 1e-9, -1e-9]
    basis = stats.ortho_group.rvs(len(values), random_state=0)
    law = spectrum_law(basis @ np.diag(values) @ basis.T)
    assert (law.exponent, law.points) == (pytest.approx(1.7, rel=1e-6), 7)
    assert spectrum_law(np.eye(3)) is None
