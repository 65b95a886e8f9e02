"""The empirical NTK of a finite network, by Jacobian contraction or by NTK-vector products, the cheaper by a plan.

    Theta(x, x')[i, a, j, b] = sum_p df_a(x_i)/dp df_b(x'_j)/dp = J J'^T,
    Theta v = J (J'^T v): one pass backwards through x', one forwards through x, and no J is stored.

Novak, Sohl-Dickstein and Schoenholz 2022 (2206.08720), sections 3.1 and 3.2. Contraction takes N k passes and
N N' k^2 P products, so it suits convolutions, whose passes cost many times their parameters P; products take N N' k
passes and suit dense layers, whose passes cost P.

Letters: n, m images of x and x', k outputs, P parameters. Networks must treat the images of a batch apart: batch
normalisation does so in evaluation alone.
"""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Params = Any  # a pytree of arrays
# Of parameters and images [n, h, w, c]: outputs [n, k].
Apply = Callable[[Params, Array], Array]
Method = Literal["contraction", "products"]

# Jacobians that need more are not stored.
MAX_BYTES = 2**31


class NtkPlan(NamedTuple):
    """The cost of either way.

    contraction: floating-point operations of the Jacobians and their product
    products: floating-point operations of one NTK-vector product for each image and output of x'
    jacobian_bytes: size of the Jacobians of contraction
    max_bytes: the most they may take
    """

    contraction: float
    products: float
    jacobian_bytes: int
    max_bytes: int

    @property
    def method(self) -> Method:
        """The cheaper way, of those that fit."""
        fits = self.jacobian_bytes <= self.max_bytes
        return "contraction" if fits and self.contraction <= self.products else "products"


def ntk_plan(
    apply: Apply, params: Params, x1: Array, x2: Array, max_bytes: int = MAX_BYTES, mean: bool = False
) -> NtkPlan:
    """Count the operations of both ways, from the passes of one image as XLA counts them, without compiling.

    mean: of `mean_ntk`, which pairs no output with another and stores the Jacobian of x2 alone
    """
    one = jax.ShapeDtypeStruct((1, *x1.shape[1:]), x1.dtype)
    outputs = jax.eval_shape(apply, params, one)

    def backwards(params: Params, x: Array, v: Array) -> Params:
        return jax.vjp(lambda p: apply(p, x), params)[1](v)[0]

    def forwards(params: Params, x: Array, direction: Params) -> Array:
        return jax.jvp(lambda p: apply(p, x), (params,), (direction,))[1]

    back, forth = _flops(backwards, params, one, outputs), _flops(forwards, params, one, params)
    n, m, k = len(x1), len(x2), outputs.shape[1]
    size = sum(prod(leaf.shape) for leaf in jax.tree.leaves(params))
    contraction = (n + m) * k * back + 2.0 * n * m * k * (1 if mean else k) * size
    products = m * k * (back + n * forth)
    return NtkPlan(contraction, products, (m if mean else n + m) * k * size * x1.dtype.itemsize, max_bytes)


def empirical_ntk(apply: Apply, params: Params, x1: Array, x2: Array, method: Method | None = None) -> Array:
    """Compute the NTK [n, k, m, k] of a network at its parameters.

    Args:
      apply: outputs [n, k] of parameters and images [n, h, w, c]
      params: of the network
      x1: images [n, h, w, c]
      x2: images [m, h, w, c]
      method: contraction or products; None: the cheaper one by `ntk_plan`
    """
    match method or ntk_plan(apply, params, x1, x2).method:
        case "contraction":
            return _contraction(apply, params, x1, x2)
        case "products":
            return _products(apply, params, x1, x2)


def mean_ntk(apply: Apply, params: Params, x1: Array, x2: Array, method: Method | None = None) -> Array:
    """Compute the mean over outputs of the NTK of each with itself, [n, m]: (1/k) sum_a Theta[i, a, j, a].

    Its mean over first weights is the kernel of every output, as that of `empirical_ntk`; arguments as there.
    """
    match method or ntk_plan(apply, params, x1, x2, mean=True).method:
        case "contraction":
            return _mean_contraction(apply, params, x1, x2)
        case "products":
            return _mean_products(apply, params, x1, x2)


def ntk_vector_product(apply: Apply, params: Params, x1: Array, x2: Array, v: Array) -> Array:
    """Compute Theta(x1, x2) v, [n, k], of v [m, k], at the cost of two passes."""
    direction = jax.vjp(lambda p: apply(p, x2), params)[1](v)[0]
    return jax.jvp(lambda p: apply(p, x1), (params,), (direction,))[1]


def largest_eigenvalue(apply: Apply, params: Params, x: Array, tolerance: float = 1e-4, most: int = 64) -> float:
    """Find the largest eigenvalue of Theta(x, x), by Lanczos' method on NTK-vector products.

    Args:
      apply: outputs [n, k] of parameters and images
      params: of the network
      x: images [n, h, w, c]
      tolerance: stop at this relative change from one product to the next
      most: stop after so many products
    """
    outputs = jax.eval_shape(apply, params, x)
    product = jax.jit(partial(ntk_vector_product, apply))
    start = np.random.default_rng(0).standard_normal(outputs.size)
    basis = [start / np.linalg.norm(start)]
    diagonal: list[float] = []
    beside: list[float] = []
    found = 0.0
    for _ in range(min(most, outputs.size)):
        v = jnp.asarray(basis[-1].reshape(outputs.shape), outputs.dtype)
        image = np.array(product(params, x, x, v), np.float64).ravel()
        diagonal.append(float(basis[-1] @ image))
        last, found = found, _largest(diagonal, beside)
        # Remove what rounding left of the earlier directions twice: once is not enough in float32.
        for _ in range(2):
            image -= np.array(basis).T @ (np.array(basis) @ image)
        length = float(np.linalg.norm(image))
        if abs(found - last) <= tolerance * found or length <= tolerance * found:
            break
        beside.append(length)
        basis.append(image / length)
    return found


def _largest(diagonal: list[float], beside: list[float]) -> float:
    return float(np.linalg.eigvalsh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))[-1])


def _jacobian(apply: Apply, params: Params, image: Array) -> list[Array]:
    """Of one image by every parameter, [k, its size]."""
    leaves = jax.tree.leaves(jax.jacrev(lambda p: apply(p, image[None])[0])(params))
    return [leaf.reshape(len(leaf), -1) for leaf in leaves]


def _contraction(apply: Apply, params: Params, x1: Array, x2: Array) -> Array:
    rows, columns = (jax.lax.map(partial(_jacobian, apply, params), x) for x in (x1, x2))
    parts = [jnp.einsum("iap,jbp->iajb", row, column) for row, column in zip(rows, columns, strict=True)]
    return sum(parts[1:], start=parts[0])


def _mean_contraction(apply: Apply, params: Params, x1: Array, x2: Array) -> Array:
    columns = jax.lax.map(partial(_jacobian, apply, params), x2)

    def row(image: Array) -> Array:
        own = _jacobian(apply, params, image)
        parts = [jnp.einsum("ap,jap->j", each, column) for each, column in zip(own, columns, strict=True)]
        return sum(parts[1:], start=parts[0]) / np.asarray(len(own[0]), parts[0].dtype)

    return jax.lax.map(row, x1)


def _products(apply: Apply, params: Params, x1: Array, x2: Array) -> Array:
    outputs = jax.eval_shape(apply, params, x2)
    units = jnp.eye(outputs.shape[1], dtype=outputs.dtype)

    def columns(image: Array) -> Array:
        """Theta of all rows and the outputs of one image, [k, n, k]."""
        return jax.vmap(lambda unit: ntk_vector_product(apply, params, x1, image[None], unit[None]))(units)

    return jnp.transpose(jax.lax.map(columns, x2), (2, 3, 0, 1))


def _mean_products(apply: Apply, params: Params, x1: Array, x2: Array) -> Array:
    outputs = jax.eval_shape(apply, params, x2)
    units = jnp.eye(outputs.shape[1], dtype=outputs.dtype)

    def column(image: Array) -> Array:
        def of_output(total: Array, unit: Array) -> tuple[Array, None]:
            return total + ntk_vector_product(apply, params, x1, image[None], unit[None]) @ unit, None

        return jax.lax.scan(of_output, jnp.zeros(len(x1), outputs.dtype), units)[0]

    return jax.lax.map(column, x2).T / np.asarray(len(units), outputs.dtype)


def _flops(function: Callable[..., Any], *arguments: Any) -> float:
    cost = jax.jit(function).lower(*arguments).cost_analysis()
    assert cost is not None  # XLA counts the operations of every program
    return float(cost["flops"])
