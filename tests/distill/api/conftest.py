"""Handwritten digits as a user's arrays, and a set learned from them."""

import pytest

import kerneldistill as kd
from tests.helpers.digits_arrays import FAST, Digits, digits_arrays


@pytest.fixture(scope="session")
def digits() -> Digits:
    return digits_arrays()


@pytest.fixture(scope="session")
def learned(digits: Digits) -> kd.DistilledSet:
    """Do not change it."""
    return kd.distill(digits.images, digits.labels, 10, test=(digits.test_images, digits.test_labels), **FAST)
