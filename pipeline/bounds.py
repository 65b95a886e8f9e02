"""Check a dataclass against the bounds beside its fields: `Annotated[float, Ge(0), Le(0.5)]`, `Literal`, `None`.

pydantic enforces the same annotations on what it reads from a file. This module checks values made in Python, and
spares `kdistill --help` pydantic's import (0.15 s).
"""

import math
import operator
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

# How each bound compares, and what a message calls it.
_BOUNDS = {
    Ge: (operator.ge, "at least"),
    Gt: (operator.gt, "above"),
    Le: (operator.le, "at most"),
    Lt: (operator.lt, "below"),
}


class Violation(NamedTuple):
    """A value out of its bounds.

    field: name of the field
    value: what it holds
    allowed: what it may hold, in words
    """

    field: str
    value: object
    allowed: str


def find_violations(values: Any) -> Iterator[Violation]:
    """Yield the fields of a dataclass whose values break their bounds; a field without bounds may hold anything.

    Write `Lt(math.inf)` for "finite"; NaN keeps no bound.
    """
    for field, hint in get_type_hints(type(values), include_extras=True).items():
        value = getattr(values, field)
        options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        if not any(_keeps(option, value) for option in options):
            yield Violation(field, value, ", or ".join(map(_words, options)))


def _keeps(hint: Any, value: Any) -> bool:
    if hint is NoneType:
        return value is None
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is not Annotated:
        return True
    try:
        return all(compare(value, limit) for compare, _, limit in _bounds(hint))
    except TypeError:  # a value without an order, such as None
        return False


def _words(hint: Any) -> str:
    """What an annotation allows: `at least 0 and at most 0.5`, `above 0 and finite`, `standard, none`."""
    if get_origin(hint) is Literal:
        return ", ".join(map(str, get_args(hint)))
    if get_origin(hint) is not Annotated:
        return "None" if hint is NoneType else getattr(hint, "__name__", str(hint))
    return " and ".join("finite" if limit == math.inf else f"{name} {limit}" for _, name, limit in _bounds(hint))


def _bounds(hint: Any) -> Iterator[tuple[Any, str, Any]]:
    for bound in get_args(hint)[1:]:
        if type(bound) in _BOUNDS:
            yield *_BOUNDS[type(bound)], getattr(bound, type(bound).__name__.lower())
