"""Floating-point operations of a kernel entry, counted from the levels and layers of a network; nothing is compiled.

Counted are additions, multiplications, divisions, roots and the like, one each; not comparisons, selections and moves.
Per pixel pair of a band, for the NNGP and, where it is there, the NTK (the formulas are those of `kernels.layers`):
    entering    2 C                     sum over C channels of products, divided by C
    Conv        6, then 6 for the NTK   separable box sum 2 + 2 (4 + 4 where a seam is masked), scale, bias or own
    Activation  counted by tracing its dual on scalars, which is exact for any function
    AvgPool     4 per value and axis that is left
    head        1
In reverse a box sum is its own adjoint, and an activation costs what tracing its pullback says. A plane's forward pass
is repeated there (`kerneldistill.kernels.resolution`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.core import Jaxpr

from kerneldistill.kernels.activations import Factors
from kerneldistill.kernels.layers import Activation, AvgPool, Conv, Cov, Dense, Layer, Residual
from kerneldistill.kernels.levels import Level, levels
from kerneldistill.kernels.names import KernelKind
from kerneldistill.kernels.networks import Network

# What `jax.numpy` makes of elementwise arithmetic; one operation each, as XLA counts them.
_ARITHMETIC = frozenset(
    (
        *("abs", "add", "div", "integer_pow", "max", "min", "mul", "neg", "pow", "rsqrt", "sqrt", "square", "sub"),
        *("acos", "asin", "atan2", "cos", "sin", "tan", "tanh"),
        *("erf", "erf_inv", "exp", "expm1", "log", "log1p", "logistic"),
    )
)


class Flops(NamedTuple):
    """Operations of one kernel entry.

    forward: of its value, `ExactEngine.k_ts`
    pullback: of the gradient of a weighted entry by its row image, `ExactEngine.pullback` with what `k_ts_saving` kept
    """

    forward: int
    pullback: int

    @property
    def step(self) -> int:
        """Of an outer step, which takes both."""
        return self.forward + self.pullback


class _Place(NamedTuple):
    """points: pixel pairs, or 1 after the head. box: operations of a box sum on each."""

    points: int
    box: int


class _Passes(NamedTuple):
    """forward, reverse: operations of either direction. tangent: whether there is an NTK afterwards."""

    forward: int
    reverse: int
    tangent: bool

    def and_then(self, other: "_Passes", points: int = 1) -> "_Passes":
        """This, and after it another on each of `points` pairs."""
        return _Passes(self.forward + points * other.forward, self.reverse + points * other.reverse, other.tangent)


def entry_flops(network: Network, image_shape: tuple[int, int, int], kind: KernelKind) -> Flops:
    """Operations of one kernel entry of images `image_shape` (h, w, c).

    Raises:
      ValueError: the images cannot pass the network's pools.
    """
    network, with_ntk = network.sized(image_shape), kind == "ntk"
    channels = image_shape[2]
    if network.fully_connected:
        # A product of whole images, and for the gradient one more.
        products = 2 * image_shape[0] * image_shape[1] * channels
        found = _Passes(products, products, False)
    else:
        found = _Passes(0, 0, False)
        for i, level in enumerate(levels(network, *image_shape[:2])):
            found = _level(found, level, with_ntk, channels if i == 0 else 0)
    found = _layers(found, network.layers[network.head + 1 :], with_ntk, _Place(1, 0))
    return Flops(found.forward, found.forward + found.reverse)


def _level(before: _Passes, level: Level, with_ntk: bool, channels: int) -> _Passes:
    """Adds one resolution; `channels` of the images at the first, 0 at the others."""
    offsets = level.offsets
    entering = _Passes(2 * channels, 2 * channels + 1 if channels else 0, before.tangent)
    place = _Place(offsets.points, 8 if offsets.wrapped else 4)
    found = _layers(before.and_then(entering, offsets.points), level.layers, with_ntk, place)
    kernels = 1 + found.tangent
    if not isinstance(level.end, AvgPool):
        return found.and_then(_Passes(kernels, kernels, found.tangent), offsets.points)
    # Columns are pooled plane by plane, then the rows of the band that is left.
    halved = (offsets.shape[1] // 2) * (offsets.width // 2)
    by_columns = offsets.shape[0] * offsets.height * halved
    by_rows = (offsets.shape[0] // 2) * (offsets.height // 2) * halved
    return found.and_then(_Passes(4 * kernels, kernels, found.tangent), by_columns + by_rows)


def _layers(before: _Passes, layers: Sequence[Layer], with_ntk: bool, place: _Place) -> _Passes:
    """Adds layers that work on each pair of a place."""
    found = before
    for layer in layers:
        match layer:
            case Residual(branch, shortcut):
                found = _residual(found, branch, shortcut, with_ntk, place)
            case Activation():
                found = found.and_then(_activation(layer, found.tangent), place.points)
            case Conv() | Dense():
                found = found.and_then(_linear(layer, found.tangent, with_ntk, place.box), place.points)
    return found


def _residual(
    before: _Passes, branch: Sequence[Layer], shortcut: Conv | None, with_ntk: bool, place: _Place
) -> _Passes:
    found = _layers(before, branch, with_ntk, place)
    if shortcut is not None:
        other = _linear(shortcut, before.tangent, with_ntk, place.box)
        found = found.and_then(other._replace(tangent=found.tangent or other.tangent), place.points)
    # The two paths are added, and in reverse what they ask of their common input.
    both = 1 + found.tangent
    return found.and_then(_Passes(both, both, found.tangent), place.points)


def _linear(layer: Conv | Dense, tangent: bool, with_ntk: bool, box: int) -> _Passes:
    own = 2 * (layer.fan_in is not None)
    forward, reverse = box + 2, box + 1
    if with_ntk:
        # The layer's own part is the covariance itself: nothing before the first weights.
        forward += own + (box + 2) * tangent
        reverse += 1 + (box + 1) * tangent
    return _Passes(forward, reverse, with_ntk)


def _activation(layer: Activation, tangent: bool) -> _Passes:
    def dual(nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
        cov = layer.cov(Cov(nngp, ntk), row, col)
        return cov.nngp, cov.ntk

    one = jax.ShapeDtypeStruct((), jnp.float32)
    factors = jax.eval_shape(layer.factors, one)
    given = (one, one if tangent else None, factors, factors)
    answers = jax.eval_shape(dual, *given)

    def both(answers: tuple, *given: tuple) -> tuple:
        return jax.vjp(dual, *given)[1](answers)

    forward = _operations(jax.make_jaxpr(dual)(*given).jaxpr)
    return _Passes(forward, _operations(jax.make_jaxpr(both)(answers, *given).jaxpr) - forward, tangent)


def _operations(jaxpr: Jaxpr) -> int:
    """Arithmetic operations of a traced function of scalars."""
    count = 0
    for equation in jaxpr.eqns:
        inner = [getattr(value, "jaxpr", value) for value in equation.params.values() if hasattr(value, "eqns")]
        repeats = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        count += sum(repeats * _operations(part) for part in inner)
        count += equation.primitive.name in _ARITHMETIC
    return count
