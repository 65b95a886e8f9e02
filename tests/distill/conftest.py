"""The room that optax needs."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture
def optax_may_promote() -> Iterator[None]:
    """Adam raises a float to the power of an int32, which the suite's strict flags forbid."""
    with jax.numpy_dtype_promotion("standard"):
        yield
