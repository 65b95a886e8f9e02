"""Sums over processes: what they move. Their values are tested by processes, in test_processes."""

import jax
import numpy as np
import pytest

from kerneldistill.runtime.distributed.allreduce import WORD, Exchange, _in_order
from tests.helpers.exchanges import exchanges


def test_a_sum_moves_its_bytes_twice() -> None:
    # Two devices of this process stand for two processes: the programs are the same.
    exchange = Exchange(jax.devices()[:2])
    pieces = exchange.swap.lower(jax.ShapeDtypeStruct((2, 2, 24), WORD)).compile()
    whole = exchange.spread.lower(jax.ShapeDtypeStruct((2, 24), WORD)).compile()
    assert exchanges(pieces) == [("all-to-all", 2 * 24 * 4)]
    assert exchanges(whole) == [("all-gather", 2 * 24 * 4)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_are_taken_in_the_order_of_processes(dtype: type) -> None:
    pieces = np.array([[1.0], [1e20], [-1e20]], dtype)
    assert _in_order(pieces) == [0.0]
    assert _in_order(pieces[::-1]) == [1.0]
