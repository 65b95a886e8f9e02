"""A value within its bounds passes; one outside is named with what is allowed."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt

from kerneldistill.pipeline.bounds import find_violations


@dataclass
class Values:
    fraction: Annotated[float, Ge(0), Le(0.5)] = 0.5
    rate: Annotated[float, Gt(0), Lt(math.inf)] | None = None
    kind: Literal["a", "b"] = "a"
    free: str = "anything"


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("fraction", 0.6, "at least 0 and at most 0.5"),
        ("fraction", math.nan, "at least 0 and at most 0.5"),
        ("fraction", None, "at least 0 and at most 0.5"),
        ("rate", 0.0, "above 0 and finite, or None"),
        ("rate", math.inf, "above 0 and finite, or None"),
        ("kind", "c", "a, b"),
    ],
)
def test_a_broken_bound_is_named(field, value, allowed):
    (found,) = find_violations(Values(**{field: value}))
    assert found[0] == field
    assert found[1] is value
    assert found[2] == allowed


def test_what_keeps_its_bounds_passes():
    assert list(find_violations(Values())) == []
    assert list(find_violations(Values(0.0, 1e300, "b", ""))) == []
