"""The mu-parameterisation: the table of its source, and outputs that move as much at every width."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from kerneldistill.evaluation.descent import descend
from kerneldistill.evaluation.network_spec import network_spec
from kerneldistill.evaluation.rate_study import problem_of
from kerneldistill.evaluation.width_transfer import mu_scales
from tests.helpers.evaluation_targets import CLASSES, SHAPE, target

BASE = network_spec("mlp-w16")


def test_each_layer_is_scaled_as_table_3_of_its_source_says() -> None:
    wide = replace(BASE, width=128)
    draws, rates = mu_scales(wide, BASE, SHAPE, CLASSES)
    first, hidden, last = (f"Dense_{i}" for i in range(3))
    assert {name: (each["kernel"], each["bias"]) for name, each in rates.items()} == {
        first: (8, 8),
        hidden: (1, 8),
        last: (1 / 8, 1),
    }
    assert draws[last]["kernel"] == pytest.approx(8**-0.5)
    assert draws[first]["kernel"] == draws[hidden]["kernel"] == draws[last]["bias"] == 1


@pytest.mark.parametrize("name", ["convnet-instance-w8-d1", "kip-convnet-w8-d1"])
def test_convolutions_and_normalisations_are_told_by_their_axes(name: str) -> None:
    base = network_spec(name)
    _, rates = mu_scales(replace(base, width=16), base, SHAPE, CLASSES)
    found = {leaf.shape if hasattr(leaf, "shape") else leaf for leaf in jax.tree.leaves(rates)}
    assert found == ({2.0, 0.5, 1.0})


def test_at_its_base_width_it_is_the_standard_one() -> None:
    draws, rates = mu_scales(BASE, BASE, SHAPE, CLASSES)
    assert set(jax.tree.leaves(draws)) == set(jax.tree.leaves(rates)) == {1.0}


def test_its_stable_rate_stays_and_the_standard_one_falls_with_the_width() -> None:
    what = target()
    rates = {}
    for kind in ("standard", "mu"):
        rates[kind] = [
            problem_of(what, replace(BASE, width=width), BASE, kind, 0).largest_stable_rate() for width in (16, 256)
        ]
    assert rates["standard"][0] == pytest.approx(rates["mu"][0], rel=1e-3)
    assert rates["standard"][1] < 0.3 * rates["standard"][0]
    assert 0.5 < rates["mu"][1] / rates["mu"][0] < 2


def test_one_rate_trains_every_width_alike() -> None:
    what = target()
    rate = 0.5 * problem_of(what, BASE, BASE, "standard", 0).largest_stable_rate()
    ends = [
        descend(problem_of(what, replace(BASE, width=width), BASE, "mu", 0), rate, 60).losses[-1] for width in (16, 256)
    ]
    assert np.isfinite(ends).all()
    assert ends[1] < 1.5 * ends[0]
