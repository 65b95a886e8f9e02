"""Predictions of infinitely wide networks: closed forms, plain integration, and ensembles of real networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.stats import norm

from kerneldistill.algorithms.krr import Regression
from kerneldistill.errors import UserError
from kerneldistill.evaluation.infinite_width import (
    Blocks,
    GradientFlow,
    Prediction,
    confidence,
    nngp_posterior,
    ntk_ensemble,
    probability_of_largest,
)
from kerneldistill.kernels.architectures import fc_net
from kerneldistill.kernels.finite_width import FiniteNetwork
from kerneldistill.kernels.gram_matrix import gram

S, T, K = 5, 3, 2
LABELS = np.random.default_rng(1).normal(size=(S, K))


def kernel(seed: int, rank: int = 12) -> np.ndarray:
    """A kernel [s + t, s + t] of random features."""
    features = np.random.default_rng(seed).normal(size=(S + T, rank))
    return features @ features.T / rank


def class_probabilities(prediction: Prediction) -> np.ndarray:
    """How often each class's output is the largest, [t, k]."""
    size, classes = prediction.mean.shape
    return np.stack([probability_of_largest(prediction, np.full(size, c)) for c in range(classes)], axis=1)


def cut(whole: np.ndarray) -> tuple[Blocks, np.ndarray]:
    return Blocks(whole[:S, :S], whole[S:, :S]), np.diag(whole)[S:]


NTK, (NNGP, OWN) = cut(kernel(2))[0], cut(kernel(3))


def test_posterior_is_the_gaussian_conditioned_on_noisy_labels() -> None:
    ridge, whole = 0.3, kernel(3)
    noisy = whole[:S, :S] + ridge * np.trace(whole[:S, :S]) / S * np.eye(S)
    found = nngp_posterior(NNGP, OWN, LABELS, ridge)
    np.testing.assert_allclose(found.mean, whole[S:, :S] @ np.linalg.inv(noisy) @ LABELS, atol=1e-12)
    covariance = whole[S:, S:] - whole[S:, :S] @ np.linalg.inv(noisy) @ whole[:S, S:]
    np.testing.assert_allclose(found.variance, np.diag(covariance), atol=1e-12)


def test_a_support_image_is_certain_without_ridge_and_the_prior_far_from_it() -> None:
    own = np.array([NNGP.ss[1, 1], 7.0])
    found = nngp_posterior(Blocks(NNGP.ss, np.stack([NNGP.ss[1], np.zeros(S)])), own, LABELS, 0.0)
    np.testing.assert_allclose(found.mean, [LABELS[1], np.zeros(K)], atol=1e-10)
    np.testing.assert_allclose(found.variance, [0, 7], atol=1e-10)


@pytest.mark.parametrize("ridge", [0.0, 0.2])
@pytest.mark.parametrize("time", [0.3, 4.0])
def test_mean_and_variance_integrate_the_flow(ridge: float, time: float) -> None:
    # The flow of the outputs is linear: f(time) = b + A f0 with f0 of support and targets; A and b by integration.
    decay = ridge * np.trace(NTK.ss) / S * np.eye(S)

    def outputs(f0: np.ndarray, labels: np.ndarray) -> np.ndarray:
        def slope(_: float, a: np.ndarray) -> np.ndarray:
            return labels - f0[:S] - (NTK.ss + decay) @ a

        a = solve_ivp(slope, (0, time), np.zeros(S), rtol=1e-10, atol=1e-12).y[:, -1]
        return f0[S:] + NTK.ts @ a

    found = ntk_ensemble(NTK, NNGP, OWN, LABELS, ridge, time)
    mean = np.stack([outputs(np.zeros(S + T), LABELS[:, c]) for c in range(K)], axis=1)
    np.testing.assert_allclose(found.mean, mean, atol=1e-8)
    linear = np.stack([outputs(unit, np.zeros(S)) for unit in np.eye(S + T)], axis=1)
    np.testing.assert_allclose(found.variance, np.diag(linear @ kernel(3) @ linear.T), atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), ridge=st.sampled_from([0.0, 1e-6, 0.1]))
def test_infinite_time_is_kernel_ridge_regression(seed: int, ridge: float) -> None:
    ntk, own = cut(kernel(seed))
    flow = GradientFlow(ntk.ss, ridge)
    regressed = ntk.ts @ Regression(ntk.ss, ridge).solve(LABELS)
    np.testing.assert_allclose(flow.mean(ntk.ts, LABELS, np.inf), regressed, rtol=1e-6, atol=1e-8)
    late = flow.mean(ntk.ts, LABELS, 50 / flow.rates[0])
    np.testing.assert_allclose(late, regressed, rtol=1e-6, atol=1e-8)
    assert not flow.mean(ntk.ts, LABELS, 0.0).any()
    np.testing.assert_array_equal(flow.variance(ntk.ts, NNGP, own, 0.0), own)


def test_a_trained_last_layer_ends_as_the_posterior() -> None:
    # Without a ridge, an ensemble whose last layer alone is trained samples the posterior (1902.06720, section 2.3.1).
    trained = ntk_ensemble(NNGP, NNGP, OWN, LABELS, 0.0)
    posterior = nngp_posterior(NNGP, OWN, LABELS, 0.0)
    np.testing.assert_allclose(trained.mean, posterior.mean, atol=1e-10)
    np.testing.assert_allclose(trained.variance, posterior.variance, atol=1e-10)


def test_the_slope_at_time_0_is_the_kernel_times_the_labels() -> None:
    step = 1e-7
    np.testing.assert_allclose(GradientFlow(NTK.ss, 0.1).mean(NTK.ts, LABELS, step) / step, NTK.ts @ LABELS, rtol=1e-5)


@pytest.mark.slow
def test_wide_networks_are_the_ensemble() -> None:
    """400 networks of width 1024, trained by plain gradient descent; 4 standard errors."""
    network, time, steps, members = fc_net(1), 1.0, 60, 400
    images = jnp.asarray(np.random.default_rng(5).normal(size=(5, 2, 2, 1)))
    labels = jnp.asarray([[1.0], [-1.0], [0.5]])
    finite = FiniteNetwork(network, (2, 2, 1), width=1024, dtype=jnp.float64)

    @jax.jit
    def trained(key: jax.Array) -> jax.Array:
        def loss(params) -> jax.Array:
            return 0.5 * jnp.sum((finite.apply(params, images[:3]) - labels) ** 2)

        def step(_: int, params):
            return jax.tree.map(lambda p, g: p - time / steps * g, params, jax.grad(loss)(params))

        return finite.apply(jax.lax.fori_loop(0, steps, step, finite.init(key)), images[3:])[:, 0]

    outputs = np.stack([trained(key) for key in jax.random.split(jax.random.key(0), members)])
    (ntk, _), (nngp, own) = (
        (Blocks(k[:3, :3], k[3:, :3]), np.diag(k)[3:])
        for k in (np.asarray(gram(network, images, images, get)) for get in ("ntk", "nngp"))
    )
    expected = ntk_ensemble(ntk, nngp, own, np.asarray(labels), 0.0, time)
    error = np.sqrt(expected.variance / members)
    np.testing.assert_array_less(np.abs(outputs.mean(0) - expected.mean[:, 0]), 4 * error)
    spread = expected.variance * np.sqrt(2 / members)
    np.testing.assert_array_less(np.abs(outputs.var(0) - expected.variance), 4 * spread)
    # The test would see the difference: what is left of the prior is far from all of it.
    assert (own - expected.variance > 8 * spread).all()


def test_bands_of_eigenvectors_add_up_to_the_regression() -> None:
    flow = GradientFlow(NTK.ss, 0.01)
    parts = [flow.fitted_by(modes, LABELS) for modes in np.array_split(np.arange(S), 3)]
    np.testing.assert_allclose(sum(parts), Regression(NTK.ss, 0.01).solve(LABELS), atol=1e-10)
    # Each lies in its own eigenvectors: the kernel keeps them apart.
    assert abs(np.sum(parts[0] * (NTK.ss @ parts[2]))) < 1e-10


def test_probabilities_of_two_classes_have_a_closed_form() -> None:
    gap, variance = np.array([-3.0, -0.4, 0.0, 1.1, 4.0]), np.array([0.5, 1.0, 2.0, 0.3, 4.0])
    found = class_probabilities(Prediction(np.stack([gap, np.zeros(5)], axis=1), variance))
    np.testing.assert_allclose(found[:, 0], norm.cdf(gap / np.sqrt(2 * variance)), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), k=st.integers(1, 6))
def test_the_largest_mean_is_the_likeliest_class(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    prediction = Prediction(rng.normal(size=(5, k)), rng.exponential(size=5) * np.array([1, 1, 1, 1, 0]))
    found = class_probabilities(prediction)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(found.argmax(axis=1), prediction.mean.argmax(axis=1))
    np.testing.assert_allclose(confidence(prediction), found.max(axis=1), atol=1e-5)


def test_probabilities_count_draws() -> None:
    rng = np.random.default_rng(0)
    mean, variance, draws = np.array([[0.3, 0.1, -0.2, 0.25]]), np.array([0.09]), 200_000
    winners = (mean + np.sqrt(variance) * rng.normal(size=(draws, 4))).argmax(1)
    parts = np.bincount(winners, minlength=4) / draws
    np.testing.assert_allclose(class_probabilities(Prediction(mean, variance))[0], parts, atol=4 / np.sqrt(draws))


def test_without_variance_the_largest_mean_has_all() -> None:
    found = class_probabilities(Prediction(np.array([[0.1, 0.2, 0.0], [1.0, 1.0, 0.0]]), np.zeros(2)))
    np.testing.assert_allclose(found, [[0, 1, 0], [0.5, 0.5, 0]], atol=1e-12)


def test_refusals() -> None:
    with pytest.raises(UserError, match=r"krr.ridge is 0"):
        GradientFlow(-np.eye(3), 0.0).mean(np.eye(3), np.eye(3), 1.0)
    with pytest.raises(ValueError, match="time is -1"):
        GradientFlow(np.eye(3), 0.0).fitted(np.eye(3), -1.0)
    with pytest.raises(ValueError, match="time is nan"):
        GradientFlow(np.eye(3), 0.0).fitted(np.eye(3), np.nan)
