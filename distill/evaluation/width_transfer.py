"""How first weights and learning rates follow a network's width, in the mu-parameterisation (Yang & Hu et al. 2022).

Table 3 of 2203.03466 for gradient descent, with r the width over that of a base network, in which it is the standard
parameterisation:

    weights between hidden layers     first weights 1 / fan_in in variance      rate 1
    first weights, all biases         the same                                  rate r
    last weights                      1 / fan_in times 1 / r in variance        rate 1 / r

A weight's kind is told by which of its axes grow with the width: the last, those before, or both.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Variables, model_of


class LeafScale(NamedTuple):
    """Of a leaf of the parameters. draw: times its first weights. rate: times its learning rate."""

    draw: float
    rate: float


def mu_scales(spec: NetworkSpec, base: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> tuple[Any, Any]:
    """Return pytrees of numbers for the parameters of `spec`: what first weights, and what rates, are multiplied by."""
    wide, narrow = (_shapes(each, image_shape, outputs) for each in (spec, base))
    scales = jax.tree.map(lambda w, n: _scale(w.shape, n.shape, spec.width / base.width), wide, narrow)
    is_scale = {"is_leaf": lambda each: isinstance(each, LeafScale)}
    draws = jax.tree.map(lambda scale: scale.draw, scales, **is_scale)
    return draws, jax.tree.map(lambda scale: scale.rate, scales, **is_scale)


def _shapes(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Any:
    def params(key: Array) -> Variables:
        return model_of(spec, image_shape, outputs).init(key).params

    return jax.eval_shape(params, jax.random.key(0))


def _scale(wide: tuple[int, ...], narrow: tuple[int, ...], ratio: float) -> LeafScale:
    grown = [w != n for w, n in zip(wide, narrow, strict=True)]
    before, last = any(grown[:-1]), bool(grown) and grown[-1]
    if before and not last:
        return LeafScale(float(np.sqrt(1 / ratio)), 1 / ratio)
    return LeafScale(1.0, ratio if last and not before else 1.0)
