"""A step's gradient is that of its whole loss, whatever is learned and however; its draws are functions of the step."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kerneldistill.algorithms.kip import Kip, KipState
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.numerical_error import NumericalError
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.ridge import ridge_of_step
from kerneldistill.algorithms.step_kernels import kernels_of
from kerneldistill.algorithms.support import Support
from kerneldistill.algorithms.target_augmentation import Augmentation
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.schema import (
    AugmentConfig,
    Config,
    DataConfig,
    KernelConfig,
    KrrConfig,
    LossConfig,
    OptimConfig,
    SupportConfig,
)
from kerneldistill.kernels.architectures import fc_net
from kerneldistill.kernels.gram_matrix import gram
from kerneldistill.pipeline.whitening.none import identity_whitener
from kerneldistill.runs.training.checkpoints import Checkpoints
from tests.helpers.kernels import engine
from tests.helpers.splits import make_split
from tests.helpers.tolerance import GRADIENT, assert_close

KIP = Kip()
pytestmark = pytest.mark.usefixtures("optax_may_promote")

SHAPE = (4, 5, 1)
SIZE = 6
# Plain descent at rate 1 makes the step the gradient.
PLAIN = OptimConfig("sgd", learning_rate=1.0, label_learning_rate=2.0, momentum=0.0, steps=4, target_batch=100)
EVERYTHING = Config(
    data=DataConfig(),
    kernel=KernelConfig("fc", 1, dtype="float64"),
    support=SupportConfig(SIZE, learn_labels=True, flip=True),
    loss=LossConfig("cross_entropy", temperature=0.3),
    krr=KrrConfig(ridge=1e-3),
    optim=PLAIN,
)
TRAIN = make_split((9, 8, 7), SHAPE, noise=2.0)
ENGINE = engine(fc_net(1), SHAPE)


def problem_of(config: Config, **changes: object) -> Problem:
    rng = np.random.default_rng(5)
    start = Support(rng.standard_normal((SIZE, *SHAPE)), rng.standard_normal((SIZE, 3)))
    targets = Targets(ENGINE, TRAIN, 3)
    return Problem(config, ENGINE, start, targets, targets, **changes)


def whole_loss(config: Config, images: jax.Array, labels: jax.Array, log_temperature: jax.Array) -> jax.Array:
    """Of all targets, as one would write it down."""
    if config.support.flip:
        images, labels = jnp.concatenate([images, images[:, :, ::-1]]), jnp.concatenate([labels, labels])
    targets, size = jnp.asarray(TRAIN.images, jnp.float64), len(images)
    k_ss, k_ts = gram(fc_net(1), images, images), gram(fc_net(1), targets, images)
    regularised = k_ss + config.krr.ridge * jnp.trace(k_ss) / size * jnp.eye(size)
    predictions = k_ts @ jnp.linalg.solve(regularised, labels)
    if config.loss.name == "mse":
        return 0.5 * jnp.mean((predictions - centred_one_hot(TRAIN.labels, 3)) ** 2)
    logits = predictions / jnp.exp(log_temperature)
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(TRAIN.labels)))


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_a_step_follows_the_gradient_of_the_whole_loss(flip: bool, loss: str) -> None:
    config = replace(EVERYTHING, support=SupportConfig(SIZE, True, flip=flip), loss=replace(EVERYTHING.loss, name=loss))
    problem = problem_of(config)
    before = KIP.init(problem)
    result = KIP.step(problem, before, 0)
    value, (images, labels, temperature) = jax.jit(
        jax.value_and_grad(lambda *args: whole_loss(config, *args), argnums=(0, 1, 2))
    )(*map(jnp.asarray, before.support), jnp.asarray(before.loss.get("log_temperature", 0.0)))
    assert result.loss == pytest.approx(float(value), rel=1e-10)
    after = result.state
    assert_close(before.support.images - after.support.images, images, GRADIENT["float64"])
    assert_close(before.support.labels - after.support.labels, 2 * labels, GRADIENT["float64"])
    # Adam's first step is its rate against the sign.
    if loss == "cross_entropy":
        moved = float(after.loss["log_temperature"] - before.loss["log_temperature"])
        assert moved == pytest.approx(-np.sign(float(temperature)) * PLAIN.temperature_learning_rate, rel=1e-4)
    else:
        assert (before.loss, after.loss) == ({}, {})
    doubled = SIZE * (1 + flip)
    assert result.entries == doubled * (len(TRAIN) + doubled)
    assert result.metrics["gradient_norm"] == pytest.approx(float(jnp.linalg.norm(images)), rel=1e-7)
    assert 1 < result.metrics["condition"] < 1e6


@pytest.mark.parametrize("flip", [False, True])
def test_a_learned_matrix_follows_the_gradient_of_the_whole_loss(flip: bool) -> None:
    optim = replace(PLAIN, transform_learning_rate=0.5)
    config = replace(EVERYTHING, support=SupportConfig(SIZE, True, flip=flip), optim=optim)
    problem = problem_of(config)
    first = KIP.init(problem)
    assert first.transform is not None
    assert np.array_equal(first.transform.applied(), problem.start.images)
    before = KIP.step(problem, first, 0).state  # its matrix is no longer the identity

    def loss(images: jax.Array, matrix: jax.Array) -> jax.Array:
        applied = jnp.reshape(jnp.reshape(images, (SIZE, -1)) @ matrix, images.shape)
        return whole_loss(config, applied, before.support.labels, before.loss["log_temperature"])

    assert before.transform is not None
    assert not np.allclose(before.transform.matrix, np.eye(20), atol=1e-4)
    images, matrix = jax.jit(jax.grad(loss, argnums=(0, 1)))(*map(jnp.asarray, before.transform))
    after = KIP.step(problem, before, 1).state
    assert after.transform is not None
    assert_close(before.transform.images - after.transform.images, images, GRADIENT["float64"])
    assert_close(before.transform.matrix - after.transform.matrix, 0.5 * matrix, GRADIENT["float64"])
    assert np.array_equal(after.support.images, after.transform.applied())


@pytest.mark.parametrize("learn", [False, True])
def test_only_what_is_learned_moves(learn: bool) -> None:
    loss = replace(EVERYTHING.loss, learn_temperature=learn)
    problem = problem_of(replace(EVERYTHING, support=SupportConfig(SIZE, learn_labels=learn), loss=loss))
    before = KIP.init(problem)
    after = KIP.step(problem, before, 0).state
    assert not np.array_equal(after.support.images, before.support.images)
    assert np.array_equal(after.support.labels, before.support.labels) is not learn
    assert (float(after.loss["log_temperature"]) != float(before.loss["log_temperature"])) is learn
    assert float(before.loss["log_temperature"]) == pytest.approx(np.log(0.3))


def with_all_draws() -> Problem:
    kernel = replace(EVERYTHING.kernel, sampled=("same", "get=nngp", "depth=2"))
    augment = AugmentConfig(names=("crop", "color"))
    rates = {"learning_rate": 0.1, "label_learning_rate": 0.1, "transform_learning_rate": 0.01}
    optim = replace(PLAIN, name="adam", **rates, target_batch=12)
    config = replace(EVERYTHING, kernel=kernel, augment=augment, optim=optim)
    plain = problem_of(config)
    augmentation = Augmentation.of(augment, identity_whitener(SHAPE, ""), TRAIN.images, seed=0)
    return plain._replace(kernels=kernels_of(config, plain.train), augmentation=augmentation)


def test_steps_from_a_restored_state_are_the_same_bit_for_bit(tmp_path: Path) -> None:
    def steps(problem: Problem, state: KipState, numbers: range) -> KipState:
        for step in numbers:
            state = KIP.step(problem, state, step).state
        return state

    problem = with_all_draws()
    truth = steps(problem, KIP.init(problem), range(4))
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(2, steps(problem, KIP.init(problem), range(2)))
    again = with_all_draws()  # another process would make its own
    step, restored = checkpoints.restore_latest(KIP.init(again))
    found = steps(again, restored, range(step, 4))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(truth), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        assert np.array_equal(a, b)


def test_targets_are_augmented_anew_in_each_step() -> None:
    problem = with_all_draws()
    images = problem.train.images[:3]
    changes = [problem.change(step) for step in (0, 1, 0)]
    first, second, again = (change(images, 0) for change in changes)
    assert np.array_equal(first, again)
    assert not np.allclose(first, second)
    assert problem_of(EVERYTHING).change(0) is None


def test_the_ridge_goes_from_the_first_to_the_last() -> None:
    def ridges(**krr: float) -> list[float]:
        config = replace(EVERYTHING, krr=KrrConfig(**krr), optim=replace(PLAIN, steps=5))
        return [ridge_of_step(config, step, 1.0) for step in range(5)]

    assert ridges(ridge=1e-4) == [1e-4] * 5
    assert ridges(ridge=1e-4, first_ridge=1.0) == pytest.approx([1, 1e-1, 1e-2, 1e-3, 1e-4])
    assert ridges(ridge=1e-4, first_ridge=1e-2, ridge_steps=2) == pytest.approx([1e-2, 1e-3, 1e-4, 1e-4, 1e-4])
    config = replace(EVERYTHING, krr=KrrConfig(1e-4, first_ridge=1e-2))
    assert ridge_of_step(config, 0, 10.0) == pytest.approx(0.1)
    # A ridge of nothing is raised from the rounding of the kernel.
    none = replace(EVERYTHING, krr=KrrConfig(0.0))
    assert ridge_of_step(none, 0, 1.0) == 0
    assert ridge_of_step(none, 0, 10.0) == pytest.approx(10 * np.finfo(np.float64).eps)


@pytest.mark.parametrize("flip", [False, True])
def test_a_fault_tells_its_step_and_its_image(flip: bool) -> None:
    # With a negative ridge nothing is positive definite that has two equal images.
    config = replace(EVERYTHING, support=SupportConfig(SIZE, flip=flip), krr=KrrConfig(-0.5))
    problem = problem_of(config)
    problem.start.images[4] = problem.start.images[1]
    with pytest.raises(NumericalError, match=r"step 1: krr\.ridge is -0\.5, too small") as caught:
        KIP.step(problem, KIP.init(problem), 0)
    assert caught.value.diagnosis.worst_image in (1, 4)
    assert caught.value.diagnosis.condition == np.inf
    problem.start.images[3] = 1e200
    with pytest.raises(NumericalError, match="step 8: the kernel of the support is not finite") as caught:
        KIP.step(problem, KIP.init(problem), 7)
    assert (caught.value.step, caught.value.diagnosis.worst_image) == (8, 3)


def test_a_step_tells_the_ridge_it_took() -> None:
    problem = problem_of(replace(EVERYTHING, krr=KrrConfig(0.0)))
    result = KIP.step(problem, KIP.init(problem), 0, ridge_factor=1e10)
    assert result.metrics["ridge"] == pytest.approx(2.2e-6, rel=0.01)
