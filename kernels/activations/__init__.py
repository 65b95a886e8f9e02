"""The activations that have a name. To add one, write its `Dual`, a row here, and its name in `kernels.names`.

Any other elementwise function works by the expansion of `kerneldistill.kernels.activations.hermite`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from kerneldistill.kernels.activations.ab_relu import AbRelu
from kerneldistill.kernels.activations.dual import Dual
from kerneldistill.kernels.activations.erf import Erf
from kerneldistill.kernels.activations.gelu import Gelu
from kerneldistill.kernels.activations.hermite import Hermite
from kerneldistill.kernels.activations.identity import Identity
from kerneldistill.kernels.activations.monomial import Monomial
from kerneldistill.kernels.activations.relu import Relu
from kerneldistill.kernels.activations.sign import Sign
from kerneldistill.kernels.names import EXPANDED, ActivationName

ACTIVATIONS: dict[ActivationName, Dual] = {
    "relu": Relu(),
    "leaky_relu": AbRelu(0.01, 1),
    "abs": AbRelu(-1, 1),
    "sign": Sign(),
    "square": Monomial(2),
    "cube": Monomial(3),
    "erf": Erf(),
    "gelu": Gelu(),
    "identity": Identity(),
    "sin": Hermite(jnp.sin),
    "softplus": Hermite(jax.nn.softplus),
    "tanh": Hermite(jnp.tanh),
}


def expansion(name: str, degree: int | None = None, nodes: int | None = None) -> Hermite:
    """Expand a named activation that has no closed form to a degree; see `Hermite`.

    degree: None is that of the table
    nodes: of the quadrature; None: twice the degree and 16

    Raises:
      ValueError: the activation has a closed form or is unknown, or the numbers do not go together.
    """
    dual = dual_of(name)
    if not isinstance(dual, Hermite):
        raise ValueError(f"{name!r} has a closed form, and no degree; expanded are {', '.join(EXPANDED)}")
    degree = dual.degree if degree is None else degree
    return Hermite(dual.function, degree, 2 * degree + 16 if nodes is None else nodes)


def dual_of(function: str | Callable[[Array], Array] | Dual) -> Dual:
    """Find the dual of an activation given by name, as a `Dual`, or as an elementwise JAX function.

    Raises:
      ValueError: the name is unknown, or `function` is none of these.
    """
    if isinstance(function, str):
        for name, dual in ACTIVATIONS.items():
            if name == function:
                return dual
        raise ValueError(
            f"unknown activation {function!r}; known: {', '.join(sorted(ACTIVATIONS))}; "
            "or give an elementwise JAX function"
        )
    if isinstance(function, Dual):
        return function
    if not callable(function):
        raise ValueError(f"an activation is a name or an elementwise JAX function; got {function!r}")
    return Hermite(function)
