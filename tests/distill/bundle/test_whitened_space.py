"""Which whitenings lead to one space: equal ones up to rounding, and no others."""

from dataclasses import replace

import numpy as np
import pytest

from kerneldistill.bundle.whitened_space import same_space
from tests.helpers.bundles import SHAPE, fitted

KINDS = ("standard", "kip_zca", "kornia_zca", "none")
PIXELS = np.random.default_rng(0).integers(0, 256, (200, *SHAPE), dtype=np.uint8)
PROBE = np.random.default_rng(1).integers(0, 256, (4, *SHAPE), dtype=np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_rounding_does_not_make_another_space(kind: str) -> None:
    one = fitted(kind, PIXELS)
    other = replace(one, channel_mean=one.channel_mean * (1 + 1e-7), W=one.W * (1 + 1e-6))
    assert same_space(one, other, PROBE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_each_kind_is_a_space_of_its_own(kind: str, other: str) -> None:
    assert same_space(fitted(kind, PIXELS), fitted(other, PIXELS), PROBE) == (kind == other)


@pytest.mark.parametrize("kind", ["standard", "kip_zca", "kornia_zca"])
def test_a_fit_to_other_images_is_another_space(kind: str) -> None:
    assert not same_space(fitted(kind, PIXELS), fitted(kind, PIXELS[:150]), PROBE)
