"""Counts of floating-point operations as they pass through layers, forward and in reverse."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.extend.core import Jaxpr

# What `jax.numpy` makes of elementwise arithmetic; one operation each, as XLA counts them.
ARITHMETIC = frozenset(
    (
        *("abs", "add", "div", "integer_pow", "max", "min", "mul", "neg", "pow", "rsqrt", "sqrt", "square", "sub"),
        *("acos", "asin", "atan2", "cos", "sin", "tan", "tanh"),
        *("erf", "erf_inv", "exp", "expm1", "log", "log1p", "logistic"),
    )
)


class Place(NamedTuple):
    """Where a layer's inputs lie.

    points: pixel pairs, or 1 after the head
    box: operations of a box sum on each
    height, width: pixels of an image
    """

    points: int
    box: int
    height: int = 1
    width: int = 1


class Passes(NamedTuple):
    """forward, reverse: operations of either direction. tangent: whether there is an NTK afterwards."""

    forward: int
    reverse: int
    tangent: bool

    def and_then(self, other: "Passes", points: int = 1) -> "Passes":
        """This, and after it another on each of `points` pairs."""
        return Passes(self.forward + points * other.forward, self.reverse + points * other.reverse, other.tangent)


def passes_of(function: Callable[..., Any], *scalars: Any) -> tuple[int, int]:
    """Count the operations of an elementwise function, forward and in reverse, by tracing it on abstract scalars."""
    answers = jax.eval_shape(function, *scalars)

    def both(answers: tuple, *given: tuple) -> tuple:
        return jax.vjp(function, *given)[1](answers)

    forward = _operations(jax.make_jaxpr(function)(*scalars).jaxpr)
    return forward, _operations(jax.make_jaxpr(both)(answers, *scalars).jaxpr) - forward


def _operations(jaxpr: Jaxpr) -> int:
    """Arithmetic operations of a traced function of scalars."""
    count = 0
    for equation in jaxpr.eqns:
        inner = [getattr(value, "jaxpr", value) for value in equation.params.values() if hasattr(value, "eqns")]
        repeats = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        count += sum(repeats * _operations(part) for part in inner)
        count += equation.primitive.name in ARITHMETIC
    return count
