"""Gradient descent on all of a set at once, with the loss 1/(2 n k) |f(x) - y|^2, and its largest stable rate.

For n images and k outputs the linearised network contracts while rate < 2 n k / lambda_max(Theta), Theta the NTK of all
outputs, [n k, n k] (Lee et al. 2019, 1902.06720, section 2.4); above, up to some 4 n k / lambda_max and more, a network
may first climb and then find flatter weights (the catapult of Lewkowycz et al. 2020, 2003.02218).

A layer with a rate of its own, c times the others', is one whose weights are sqrt(c) times what is learned.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.kernels.finite_ntk import Apply, largest_eigenvalue


class Problem(NamedTuple):
    """What is learned, and from what.

    apply: outputs [n, k] of parameters and images [n, h, w, c]
    first: the parameters to begin with
    images: float32 [n, h, w, c]
    labels: float32 [n, k]
    """

    apply: Apply
    first: Any
    images: Array
    labels: Array

    def rescaled(self, rates: Any) -> "Problem":
        """Return the problem in which each leaf of the parameters has the learning rate of this times a number."""
        roots = jax.tree.map(lambda rate: np.float32(np.sqrt(rate)), rates)

        def apply(params: Any, images: Array) -> Array:
            return self.apply(jax.tree.map(jnp.multiply, params, roots), images)

        return self._replace(apply=apply, first=jax.tree.map(jnp.divide, self.first, roots))

    def linearised(self) -> "Problem":
        """Return the problem with the network replaced by its linearisation at the first parameters."""
        first = self.first

        def apply(params: Any, images: Array) -> Array:
            moved = jax.tree.map(jnp.subtract, params, first)
            value, change = jax.jvp(lambda p: self.apply(p, images), (first,), (moved,))
            return value + change

        return self._replace(apply=apply)

    def largest_stable_rate(self) -> float:
        """Return the rate above which the linearised network does not converge."""
        return 2 * self.labels.size / largest_eigenvalue(self.apply, self.first, self.images)


class Descent(NamedTuple):
    """A training.

    losses: float64 [steps + 1] on the set, the first before any step
    params: at the end
    """

    losses: np.ndarray
    params: Any


def descend(
    problem: Problem,
    rate: float,
    steps: int,
    look_at: Sequence[int] = (),
    look: Callable[[int, Any], None] = lambda step, params: None,
) -> Descent:
    """Take steps of gradient descent.

    Args:
      problem: what is learned
      rate: learning rate
      steps: how many
      look_at: steps after which it is looked at, 0 before the first
      look: is given the step and the parameters there
    """
    taken = _step_of(problem.apply)
    params, losses = problem.first, []
    watched = frozenset(look_at)
    for number in range(steps + 1):
        if number in watched:
            look(number, params)
        loss, after = taken(params, np.float32(rate), problem.images, problem.labels)
        losses.append(loss)
        params = after if number < steps else params
    return Descent(np.asarray(jnp.stack(losses), np.float64), params)


@lru_cache(maxsize=8)
def _step_of(apply: Apply) -> Callable[..., tuple[Array, Any]]:
    """One step, compiled once for all rates: the loss before it, and the parameters after it."""

    def loss(params: Any, images: Array, labels: Array) -> Array:
        return 0.5 * jnp.mean(jnp.square(apply(params, images) - labels))

    def step(params: Any, rate: Array, images: Array, labels: Array) -> tuple[Array, Any]:
        value, gradient = jax.value_and_grad(loss)(params, images, labels)
        return value, jax.tree.map(lambda p, g: p - rate * g, params, gradient)

    return jax.jit(step)
