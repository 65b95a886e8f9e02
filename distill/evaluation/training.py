"""Train finite networks: several replicas at once, each a network with its own seed, images and learning rate.

A step is one compiled program mapped over the replicas. On a CPU a replica is trained alone and step by step (mapped
convolutions take twice as long there, and those in a loop run on one thread: 5 to 8 times as long, jax 0.10.2);
on accelerators all replicas take many steps in one program.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from kerneldistill.evaluation.changes import changed
from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Model, Variables, model_of
from kerneldistill.evaluation.protocols import LossName, Recipe

# Steps of one program on an accelerator.
_STEPS_AT_ONCE = 100

# Told the steps done.
Progress = Callable[[int], None]


class Replicas(NamedTuple):
    """Networks to train, one for each of g replicas.

    images: float32 [g, n, h, w, c]
    labels: float32 [g, n, k] what the loss compares with
    learning_rates: float32 [g]
    weight_decays: float32 [g]
    seeds: int64 [g] of the first weights, the batches and the augmentations
    deviation: of a pixel of the data, in whose unit augmentations are
    """

    images: np.ndarray
    labels: np.ndarray
    learning_rates: np.ndarray
    weight_decays: np.ndarray
    seeds: np.ndarray
    deviation: float


class _State(NamedTuple):
    variables: Variables
    opt_state: Any


class _Fixed(NamedTuple):
    """What no step changes, on the device; fields as in `Replicas`, but for deviation [g] and keys [g] of changes."""

    images: Array
    labels: Array
    learning_rates: Array
    weight_decays: Array
    deviation: Array
    keys: Array


def train(spec: NetworkSpec, recipe: Recipe, replicas: Replicas, progress: Progress = lambda step: None) -> Variables:
    """Train a network in each replica and return their variables, each leaf with [g] in front.

    Raises:
      UserError: the images are too small for the network.
    """
    size, image_shape, outputs = replicas.images.shape[1], replicas.images.shape[2:], replicas.labels.shape[2]
    total = recipe.num_steps(size)
    keys = jnp.stack([jax.random.key(int(seed)) for seed in replicas.seeds])
    fixed = _Fixed(
        jnp.asarray(replicas.images),
        jnp.asarray(replicas.labels),
        jnp.asarray(replicas.learning_rates),
        jnp.asarray(replicas.weight_decays),
        jnp.full(len(keys), replicas.deviation, jnp.float32),
        keys,
    )
    state = _first(spec, recipe, image_shape, outputs)(keys)
    many = _many(spec, recipe, image_shape, outputs, size)
    done = 0
    for rows in _batches(replicas.seeds, size, min(recipe.batch, size), total, steps_at_once()):
        state = many(state, fixed, jnp.arange(done, done + len(rows), dtype=jnp.float32), jnp.asarray(rows))
        done += len(rows)
        progress(done)
    return state.variables


def initial(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int, seed: int) -> Variables:
    """Return the network that `train` starts from in a replica of this seed."""
    return jax.jit(_initialised(model_of(spec, image_shape, outputs)))(jax.random.key(seed))


def steps_at_once() -> int:
    """Return how many steps one compiled program takes."""
    return 1 if jax.default_backend() == "cpu" else _STEPS_AT_ONCE


def replicas_at_once() -> int:
    """Return how many replicas are trained together."""
    return 1 if jax.default_backend() == "cpu" else 8


def loss_of(name: LossName, outputs: Array, labels: Array) -> Array:
    """Return the mean loss of outputs [n, k] against labels [n, k], centred for mse, else distributions."""
    if name == "mse":
        return 0.5 * jnp.mean(jnp.square(outputs - labels))
    return jnp.mean(optax.softmax_cross_entropy(outputs, labels))


def schedule_of(recipe: Recipe, size: int) -> optax.Schedule:
    """Return the learning rate of each step on `size` images, relative to the largest."""
    total = recipe.num_steps(size)
    match recipe.schedule:
        case "cosine":
            return optax.cosine_decay_schedule(1.0, total)
        case "half":
            return optax.piecewise_constant_schedule(1.0, {recipe.full_steps(size): 0.1})
        case "step":
            return optax.piecewise_constant_schedule(1.0, {total // 2: 0.1})
        case "warm_cosine":
            warmup = min(recipe.warmup, total // 2)
            rise = optax.linear_schedule(0.0, 1.0, warmup)
            return optax.join_schedules([rise, optax.cosine_decay_schedule(1.0, total - warmup, 0.01)], [warmup])


def _batches(seeds: np.ndarray, size: int, batch: int, total: int, at_once: int) -> Iterator[np.ndarray]:
    """Yield rows [steps, g, batch] of the images, `at_once` steps at a time: permutations cut into batches."""
    streams = [np.random.default_rng((int(seed), size)) for seed in seeds]
    left = np.empty((len(seeds), 0), np.int32)
    for start in range(0, total, at_once):
        steps = min(at_once, total - start)
        while left.shape[1] < steps * batch:
            more = [np.arange(size) if batch == size else stream.permutation(size) for stream in streams]
            left = np.concatenate([left, np.array(more, np.int32)], 1)
        taken, left = left[:, : steps * batch], left[:, steps * batch :]
        yield taken.reshape(len(seeds), steps, batch).swapaxes(0, 1)


def _transform(recipe: Recipe) -> optax.GradientTransformation:
    return optax.trace(0.9) if recipe.optimiser == "momentum" else optax.scale_by_adam()


def _initialised(model: Model) -> Callable[[Array], Variables]:
    return lambda key: model.init(jax.random.fold_in(key, 0))


@lru_cache(maxsize=64)
def _first(
    spec: NetworkSpec, recipe: Recipe, image_shape: tuple[int, int, int], outputs: int
) -> Callable[[Array], _State]:
    init = _initialised(model_of(spec, image_shape, outputs))

    def first(key: Array) -> _State:
        variables = init(key)
        return _State(variables, _transform(recipe).init(variables.params))

    return jax.jit(jax.vmap(first))


@lru_cache(maxsize=64)
def _many(
    spec: NetworkSpec, recipe: Recipe, image_shape: tuple[int, int, int], outputs: int, size: int
) -> Callable[[_State, _Fixed, Array, Array], _State]:
    """Take the steps [s] with the rows [s, g, batch]."""
    one = partial(_step, model_of(spec, image_shape, outputs), recipe, size)

    def step(state: _State, fixed: _Fixed, number: Array, rows: Array) -> _State:
        return jax.vmap(one, (0, 0, None, 0))(state, fixed, number, rows)

    def many(state: _State, fixed: _Fixed, numbers: Array, rows: Array) -> _State:
        if len(numbers) == 1:
            return step(state, fixed, numbers[0], rows[0])
        return jax.lax.scan(lambda state, given: (step(state, fixed, *given), None), state, (numbers, rows))[0]

    return jax.jit(many, donate_argnums=0)


def _step(
    model: Model,
    recipe: Recipe,
    size: int,
    state: _State,
    fixed: _Fixed,
    number: Array,
    rows: Array,
) -> _State:
    """Take one step of one replica. Decay is added to the gradient, as torch's SGD and an L2 penalty do."""
    (params, stats), opt_state = state
    images, labels = fixed.images[rows], fixed.labels[rows]
    key = jax.random.fold_in(jax.random.fold_in(fixed.keys, 1), number.astype(jnp.int32))
    if recipe.augmentation is not None:
        images = changed(key, images, recipe.augmentation, fixed.deviation)

    def cost(params: Any) -> tuple[Array, Any]:
        outputs, changed = model.train(Variables(params, stats), images)
        return loss_of(recipe.loss, outputs, labels), changed

    gradient, stats = jax.grad(cost, has_aux=True)(params)
    gradient = jax.tree.map(lambda g, p: g + fixed.weight_decays * p, gradient, params)
    transform = _transform(recipe)
    if recipe.schedule == "half":
        anew = number == recipe.full_steps(size)
        opt_state = jax.tree.map(lambda old, new: jnp.where(anew, new, old), opt_state, transform.init(params))
    updates, opt_state = transform.update(gradient, opt_state, params)
    rate = fixed.learning_rates * jnp.asarray(schedule_of(recipe, size)(number), jnp.float32)
    params = jax.tree.map(lambda p, update: p - rate * update, params, updates)
    return _State(Variables(params, stats), opt_state)
