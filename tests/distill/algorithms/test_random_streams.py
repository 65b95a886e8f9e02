"""Draws are balanced, without replacement, and functions of (seed, stream, index) alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerneldistill.algorithms.random_streams import Stream, balanced, generator

# How many images each class has, and how many are drawn.
COUNTS = st.lists(st.integers(0, 12), min_size=1, max_size=6)


def labels_of(counts: list[int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int32)


@given(COUNTS, st.integers(0, 80), st.integers(0, 2**32 - 1))
def test_a_draw_is_balanced_class_major_and_without_replacement(counts: list[int], size: int, seed: int) -> None:
    labels = labels_of(counts)
    rows = balanced(labels, len(counts), size, np.random.default_rng(seed))
    assert rows.dtype == np.int64
    assert len(rows) == min(size, len(labels))
    assert len(set(rows.tolist())) == len(rows)
    assert np.all(np.diff(labels[rows]) >= 0)
    drawn = np.bincount(labels[rows], minlength=len(counts))
    # As equal as the classes allow: no class that has images left gets two less than another.
    left = drawn < counts
    assert not left.any() or drawn.max() - drawn[left].min() <= 1


def test_what_a_scarce_class_cannot_give_goes_to_those_that_have_least() -> None:
    # 7 of 3 classes is 3, 2, 2; the last has one image, and its second goes to the middle class.
    rows = balanced(labels := labels_of([10, 10, 1]), 3, 7, np.random.default_rng(0))
    assert np.bincount(labels[rows]).tolist() == [3, 3, 1]


def test_all_are_taken_when_there_are_no_more() -> None:
    labels = labels_of([3, 0, 5])
    assert sorted(balanced(labels, 3, 8, np.random.default_rng(0))) == list(range(8))
    assert sorted(balanced(labels, 3, 5000, np.random.default_rng(0))) == list(range(8))


def test_every_image_of_a_class_is_drawn_equally_often() -> None:
    labels = labels_of([6, 4])
    rng = np.random.default_rng(0)
    drawn = np.bincount(np.concatenate([balanced(labels, 2, 4, rng) for _ in range(3000)]))
    expected = np.where(labels == 0, 3000 * 2 / 6, 3000 * 2 / 4)
    # Five standard deviations of a binomial.
    assert np.all(np.abs(drawn - expected) < 5 * np.sqrt(expected))


@given(st.integers(0, 2**32 - 1), st.sampled_from(Stream), st.integers(0, 10**6))
def test_a_draw_is_a_function_of_seed_stream_and_index(seed: int, stream: Stream, index: int) -> None:
    numbers = generator(seed, stream, index).random(4)
    generator(seed, stream, index + 1).random(100)  # others leave it alone
    assert np.array_equal(generator(seed, stream, index).random(4), numbers)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_seeds_streams_and_indices_are_independent(index: int) -> None:
    keys = [(seed, stream, i) for seed in (0, 1, 2) for stream in Stream for i in (index, index + 1)]
    draws = np.array([generator(*key).standard_normal(2000) for key in keys])
    correlations = np.corrcoef(draws) - np.eye(len(keys))
    # Independent normal draws: 1/sqrt(2000) = 0.022 each, five times that at most.
    assert np.abs(correlations).max() < 0.112


def test_the_draws_of_a_run_do_not_change_between_versions() -> None:
    # A run that is resumed by a newer version goes on with the draws it began with.
    assert generator(3, Stream.TARGETS, 7).integers(0, 10**9, 3).tolist() == [146770012, 7784104, 955016760]
