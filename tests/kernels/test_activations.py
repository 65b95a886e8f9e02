"""Dual activations against integration in the plane, their derivatives, and what the expansion is worth."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerneldistill.kernels.activations import ACTIVATIONS, Dual, dual_of
from kerneldistill.kernels.activations.hermite import Hermite
from kerneldistill.kernels.activations.monomial import Monomial
from tests.helpers.reference import integrated_dual

# Standard deviations and correlations of the pairs that the tests look at.
PAIRS = [(1.0, 1.0, 1.0), (1.0, 0.5, 0.3), (0.7, 1.2, -0.9), (1.0, 1.0, 0.95), (0.3, 0.3, 0.0), (1.2, 1.2, -1.0)]
KINDS = ["relu", "erf", "gelu", "identity", "softplus", "leaky_relu", "abs", "cube"]  # one of each class
# Of the expansion: float64 to rounding for entire functions of slow growth; tanh has poles at i pi / 2.
ACCURACY = {"gelu": 1e-13, "erf": 1e-13, "identity": 1e-13, "sin": 1e-13, "softplus": 1e-10, "tanh": 3e-6}
ACCURACY |= {"square": 1e-13, "cube": 3e-13}


@partial(jax.jit, static_argnums=0)
def _duals(function: Dual, s: jax.Array, t: jax.Array, rho: jax.Array) -> tuple[jax.Array, jax.Array]:
    return function.dual(s * t * rho, jnp.ones_like(s), function.factors(s), function.factors(t))


def duals(function: Dual, pairs: Sequence[tuple[float, float, float]]) -> np.ndarray:
    """E[phi(u) phi(v)] and E[phi'(u) phi'(v)], [2, pairs], for pairs of (s, s', correlation)."""
    return np.array(_duals(function, *(jnp.array(column) for column in zip(*pairs, strict=True))))


@pytest.mark.parametrize("name", ACCURACY)
def test_duals_are_the_integrals(name: str) -> None:
    found = duals(ACTIVATIONS[name], PAIRS)
    phi = ACTIVATIONS[name].apply
    truth = np.array([integrated_dual(phi, s * t * rho, s * s, t * t, nodes=160) for s, t, rho in PAIRS])
    np.testing.assert_allclose(found[0], truth[:, 0], rtol=0, atol=ACCURACY[name])
    np.testing.assert_allclose(found[1], truth[:, 1], rtol=0, atol=ACCURACY[name])


def test_every_activation_is_compared_with_its_integral() -> None:
    # relu has a kink: test_arccos and the golden values hold it, too.
    assert set(ACTIVATIONS) == {"relu", *KINKED, "sign", *ACCURACY}


KINKED = {"relu": (0.0, 1.0), "leaky_relu": (0.01, 1.0), "abs": (-1.0, 1.0)}


def around(phi: Callable[[np.ndarray], np.ndarray], rho: float) -> float:
    """The mean of phi(cos t) phi(cos(t - acos rho)) over the circle: a product of functions of (u, v) by its angle."""
    angles = (np.arange(1_000_000) + 0.5) * 2e-6 * np.pi
    return float(np.mean(phi(np.cos(angles)) * phi(np.cos(angles - np.arccos(rho)))))


@pytest.mark.parametrize("name", KINKED)
def test_duals_of_kinked_functions_are_the_integrals_over_the_angle(name: str) -> None:
    below, above = KINKED[name]
    found = duals(ACTIVATIONS[name], PAIRS)
    for (s, t, rho), value, slope in zip(PAIRS, *found, strict=True):
        # The mean square radius of two normal numbers is 2.
        truth = 2 * s * t * around(lambda u: np.where(u < 0, below * u, above * u), rho)
        assert value == pytest.approx(truth, abs=1e-9)
        assert slope == pytest.approx(around(lambda u: np.where(u < 0, below, above), rho), abs=1e-5)


def test_the_sign_has_a_covariance_and_no_tangent() -> None:
    value, slope = duals(ACTIVATIONS["sign"], PAIRS)
    np.testing.assert_allclose(value, [around(np.sign, rho) for _, _, rho in PAIRS], atol=1e-5)
    np.testing.assert_array_equal(slope, np.zeros(len(PAIRS)))
    sign, nothing, one = ACTIVATIONS["sign"], np.zeros(1), np.ones(1)
    outside = tuple(np.zeros_like(factor) for factor in sign.factors(one))
    assert sign.dual(0.3 * one, None, sign.factors(one), outside)[0] == 0
    assert sign.dual(nothing, None, sign.factors(nothing), sign.factors(nothing))[0] == 0
    gradient = jax.grad(lambda k: sign.dual(k, None, sign.factors(one), sign.factors(one))[0].sum())(one * 0.3)
    np.testing.assert_allclose(gradient, 2 / np.pi / np.sqrt(1 - 0.09), rtol=1e-9)


@pytest.mark.parametrize("name", KINDS)
def test_gradients_are_finite_differences_and_the_tangent_factor_a_derivative(name: str) -> None:
    function = ACTIVATIONS[name]

    def both(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        k, s, t = x[:1], x[1:2], x[2:3]
        value, tangent = function.dual(k, jnp.ones(1, k.dtype), function.factors(s), function.factors(t))
        return value[0], tangent[0]

    x, step = np.array([0.4, 0.9, 1.3]), 1e-5
    points = np.concatenate([x + step * np.eye(3), x - step * np.eye(3), x[None]])
    gradients, (values, tangents) = jax.jit(lambda x, points: (jax.jacrev(both)(x), jax.vmap(both)(points)))(x, points)
    for gradient, moved in zip(gradients, (values, tangents), strict=True):
        np.testing.assert_allclose(gradient, (moved[:3] - moved[3:6]) / (2 * step), rtol=1e-8, atol=1e-10)
    # Price's theorem: dK_out/dK is the factor of the tangent kernel.
    np.testing.assert_allclose(gradients[0][0], tangents[6], rtol=1e-7)


@pytest.mark.parametrize("name", KINDS)
def test_outside_the_image_is_zero_and_without_variance_is_finite(name: str) -> None:
    function = ACTIVATIONS[name]

    @jax.jit
    def of(nothing: jax.Array, one: jax.Array) -> tuple:
        outside = jax.tree.map(jnp.zeros_like, function.factors(one))
        own = function.factors(nothing)

        def value(s: jax.Array) -> jax.Array:
            return jnp.sum(function.dual(nothing, None, function.factors(s), own)[0])

        beyond = function.dual(0.01 * one, one, function.factors(one), outside)
        return beyond, jax.value_and_grad(value)(nothing), function.apply(nothing)

    beyond, (value, gradient), at_zero = of(jnp.zeros(1, np.float32), jnp.ones(1, np.float32))
    np.testing.assert_array_equal(beyond, np.zeros((2, 1)))
    np.testing.assert_allclose(value, at_zero[0] ** 2, atol=1e-6)
    assert np.isfinite(gradient).all()


def test_the_expansion_agrees_with_the_closed_forms() -> None:
    pairs = list(product((0.1, 0.5, 1.0, 1.5), (0.3, 1.5), np.linspace(-1, 1, 21)))
    for name, value_error, slope_error in (("gelu", 3e-7, 3e-6), ("erf", 1e-5, 2e-4), ("relu", 5e-3, 0.02)):
        value, slope = np.abs(duals(Hermite(ACTIVATIONS[name].apply), pairs) - duals(ACTIVATIONS[name], pairs))
        assert value.max() < value_error
        assert slope.max() < slope_error


def test_more_terms_are_more_accurate() -> None:
    pairs = [(2.0, 2.0, 0.9)]
    truth = duals(ACTIVATIONS["erf"], pairs)
    errors = [np.abs(duals(Hermite(jax.lax.erf, degree, nodes=160), pairs) - truth).max() for degree in (12, 24, 48)]
    assert errors[0] > 4 * errors[1] > 16 * errors[2]


def test_the_expansion_of_equal_functions_is_exact_at_any_degree() -> None:
    # The tails carry what the degree leaves out: a variance is never short.
    for degree in (2, 5):
        found = duals(Hermite(jnp.tanh, degree, nodes=160), [(1.0, 1.0, 1.0)])
        np.testing.assert_allclose(found[:, 0], integrated_dual(jnp.tanh, 1.0, 1.0, 1.0, nodes=160), rtol=1e-7)


def test_functions_names_and_duals_are_activations() -> None:
    assert dual_of("gelu") is ACTIVATIONS["gelu"]
    assert dual_of(jnp.sin) == ACTIVATIONS["sin"]
    finer = Hermite(jnp.tanh, degree=40)
    assert dual_of(finer) is finer
    with pytest.raises(ValueError, match="unknown activation 'swish'; known: abs, cube, erf, gelu"):
        dual_of("swish")
    with pytest.raises(ValueError, match="a name or an elementwise JAX function; got 3"):
        dual_of(3)
    with pytest.raises(ValueError, match="a degree of at least 1; got 0"):
        Monomial(0)
    with pytest.raises(ValueError, match="1 <= degree < nodes; got degree 64 with 64 nodes"):
        Hermite(jnp.tanh, degree=64)
