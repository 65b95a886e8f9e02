"""Training: every recipe's steps against a plain loop, replicas apart from each other, and what the losses compare."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kerneldistill.evaluation import training
from kerneldistill.evaluation.augmentation import Augmentation
from kerneldistill.evaluation.network_spec import network_spec
from kerneldistill.evaluation.networks.model import Variables, model_of
from kerneldistill.evaluation.protocols import Recipe
from kerneldistill.evaluation.training import Replicas, initial, loss_of, schedule_of, train
from tests.helpers.kernels import images

SHAPE, CLASSES, SIZE = (4, 4, 1), 3, 6
SPEC = network_spec("mlp-w5-d1")
PLAIN = Recipe("mse", "momentum", "cosine", batch=10, steps=((1, 4),))
pytestmark = pytest.mark.usefixtures("optax_may_promote")


def replicas(seeds: tuple[int, ...] = (3,), rates: tuple[float, ...] = (0.2,), size: int = SIZE) -> Replicas:
    """Replicas of normal images, each with images of its own."""
    x = np.stack([images(size, SHAPE, np.float32, seed) for seed in seeds])
    y = np.stack([np.eye(CLASSES, dtype=np.float32)[np.arange(size) % CLASSES]] * len(seeds))
    return Replicas(x, y, np.array(rates, np.float32), np.full(len(seeds), 0.1, np.float32), np.array(seeds), 0.5)


def close(found: Variables, truth: Variables) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), found, truth)


def replica(variables: Variables, number: int) -> Variables:
    return jax.tree.map(lambda leaf: leaf[number], variables)


@pytest.mark.parametrize("optimiser", ["momentum", pytest.param("adam", marks=pytest.mark.slow)])
def test_steps_are_those_of_a_plain_loop(optimiser: str) -> None:
    recipe = replace(PLAIN, optimiser=optimiser)
    given, model = replicas(), model_of(SPEC, SHAPE, CLASSES)
    x, y = given.images[0], given.labels[0]

    def penalised(params: dict) -> jax.Array:
        squares = sum(jnp.sum(leaf * leaf) for leaf in jax.tree.leaves(params))
        return 0.5 * jnp.mean((model.apply(Variables(params, {}), x) - y) ** 2) + 0.5 * 0.1 * squares

    rate = optax.cosine_decay_schedule(0.2, 4)
    own = optax.sgd(rate, momentum=0.9) if optimiser == "momentum" else optax.adam(rate)
    params = initial(SPEC, SHAPE, CLASSES, 3).params
    state, gradient = own.init(params), jax.jit(jax.grad(penalised))
    for _ in range(4):
        updates, state = own.update(gradient(params), state)
        params = optax.apply_updates(params, updates)
    close(replica(train(SPEC, recipe, given), 0), Variables(params, {}))


def test_lanes_do_not_meet() -> None:
    both = train(SPEC, PLAIN, replicas((3, 8), (0.2, 0.05)))
    for number, (seed, rate) in enumerate(((3, 0.2), (8, 0.05))):
        close(replica(both, number), replica(train(SPEC, PLAIN, replicas((seed,), (rate,))), 0))


def test_many_steps_of_one_program_are_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    # In small batches, so that a row out of order would show.
    recipe = replace(PLAIN, batch=4, steps=((1, 7),))
    seen: list[int] = []
    one_by_one = train(SPEC, recipe, replicas(), seen.append)
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    monkeypatch.setattr(training, "steps_at_once", lambda: 3)
    seen.clear()
    close(train(SPEC, recipe, replicas(), seen.append), one_by_one)
    assert seen == [3, 6, 7]


def test_batches_take_every_image_once_a_pass() -> None:
    rows = np.concatenate(list(training._batches(np.array([1, 2]), size=7, batch=3, total=14, at_once=4)))
    assert rows.shape == (14, 2, 3)
    for stream in rows.swapaxes(0, 1).reshape(2, 6, 7):
        assert all(sorted(permutation) == list(range(7)) for permutation in stream)
        assert len({tuple(permutation) for permutation in stream}) > 1
    assert not np.array_equal(rows[:, 0], rows[:, 1])
    whole = next(training._batches(np.array([1]), size=4, batch=4, total=3, at_once=3))
    assert np.array_equal(whole, np.arange(4) + np.zeros((3, 1, 4), int))


def test_the_losses() -> None:
    outputs, labels = jnp.array([[1.0, 2.0], [0.0, -1.0]]), jnp.array([[0.25, 0.75], [1.0, 0.0]])
    assert float(loss_of("mse", outputs, labels)) == pytest.approx(0.5 * np.mean([0.75**2, 1.25**2, 1, 1]))
    log = np.log(np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True))
    for name in ("cross_entropy", "soft_cross_entropy"):
        assert float(loss_of(name, outputs, labels)) == pytest.approx(-np.mean(np.sum(labels * log, 1)))


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        ("cosine", {0: 1.0, 50: 0.5, 100: 0.0}),
        ("half", {0: 1.0, 49: 1.0, 50: 0.1, 99: 0.1}),
        ("step", {0: 1.0, 49: 1.0, 50: 0.1, 99: 0.1}),
        ("warm_cosine", {0: 0.0, 10: 0.5, 20: 1.0, 60: 0.505, 100: 0.01}),
    ],
)
def test_the_schedules(schedule: str, values: dict[int, float]) -> None:
    found = schedule_of(replace(PLAIN, schedule=schedule, warmup=20, steps=((1, 100),)), SIZE)
    for step, value in values.items():
        assert float(found(jnp.float32(step))) == pytest.approx(value, abs=1e-6)


def test_the_optimiser_begins_anew_where_the_rate_is_lowered() -> None:
    recipe, given, model = replace(PLAIN, schedule="half"), replicas(), model_of(SPEC, SHAPE, CLASSES)
    halves = replace(recipe, schedule="cosine", steps=((1, 2),))

    def cost(params: dict) -> jax.Array:
        squares = sum(jnp.sum(leaf * leaf) for leaf in jax.tree.leaves(params))
        outputs = model.apply(Variables(params, {}), given.images[0])
        return 0.5 * jnp.mean((outputs - given.labels[0]) ** 2) + 0.5 * 0.1 * squares

    params, gradient = initial(SPEC, SHAPE, CLASSES, 3).params, jax.jit(jax.grad(cost))
    for rate in (0.2, 0.02):
        own = optax.sgd(rate, momentum=0.9)
        state = own.init(params)
        for _ in range(halves.num_steps(SIZE)):
            updates, state = own.update(gradient(params), state)
            params = optax.apply_updates(params, updates)
    close(replica(train(SPEC, recipe, given), 0), Variables(params, {}))


@pytest.mark.slow
def test_augmentations_are_drawn_by_seed_and_step(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(PLAIN, steps=((1, 4),), augmentation=Augmentation("dsa", ("crop", "cutout")))
    one_by_one = train(SPEC, recipe, replicas())
    close(train(SPEC, recipe, replicas()), one_by_one)
    other = train(SPEC, PLAIN, replicas())
    assert np.abs(np.asarray(jax.tree.leaves(other)[0]) - np.asarray(jax.tree.leaves(one_by_one)[0])).max() > 1e-4
    monkeypatch.setattr(training, "steps_at_once", lambda: 4)
    close(train(SPEC, recipe, replicas()), one_by_one)
