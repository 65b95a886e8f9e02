"""The validation images are drawn evenly, and the same ones each time."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from kerneldistill.pipeline.job.holdout import hold_out, rank


def _draw(labels: np.ndarray, seed: int = 0, fraction: float = 0.1) -> np.ndarray:
    ranks = np.array([rank(f"key/{i}", seed) for i in range(len(labels))], np.uint64)
    return hold_out(labels, ranks, 5, fraction)


def test_each_class_gives_the_same_number():
    labels = np.repeat(np.arange(5), [100, 200, 300, 150, 250])
    assert np.bincount(labels[_draw(labels)]).tolist() == [20] * 5


def test_a_small_class_gives_half_at_most():
    labels = np.repeat(np.arange(4), [1, 3, 500, 496])
    assert np.bincount(labels[_draw(labels)], minlength=5).tolist() == [0, 1, 20, 20, 0]


def test_the_seed_decides_who():
    labels = np.arange(500) % 5
    assert np.array_equal(_draw(labels, seed=3), _draw(labels, seed=3))
    assert not np.array_equal(_draw(labels, seed=3), _draw(labels, seed=4))


def test_the_draw_is_the_same_on_every_machine():
    # Written down once: a change of hash would silently mix old validation images into new training sets.
    assert [rank(key, 0) % 1000 for key in ("train/0000000", "train/0000001")] == [264, 731]


@given(st.permutations(range(60)))
def test_the_order_of_the_examples_does_not_matter(order):
    labels = np.arange(60) % 5
    ranks = np.array([rank(f"key/{i}", 0) for i in range(60)], np.uint64)
    mixed = hold_out(labels[order], ranks[order], 5, 0.3)
    assert np.array_equal(mixed, hold_out(labels, ranks, 5, 0.3)[order])


@pytest.mark.parametrize("fraction", [0.0, 0.5])
def test_the_ends_of_the_range(fraction):
    labels = np.arange(100) % 5
    assert _draw(labels, fraction=fraction).sum() == 100 * fraction
