"""Finite networks drawn at random have the kernel as their mean, with an error that the widths and draws foretell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerneldistill.kernels.architectures import conv_net, fc_net, wide_resnet
from kerneldistill.kernels.finite_width import FiniteNetwork
from kerneldistill.kernels.layers import (
    Activation,
    AvgPool,
    Concat,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    GlobalSelfAttention,
    LayerNorm,
    PositionalEmbedding,
    Residual,
    Sum,
)
from kerneldistill.kernels.network import Network
from tests.helpers.kernels import images
from tests.helpers.networks import NESTED, A, C
from tests.helpers.reference import reference_kernel

X = images(2, (4, 4, 2))


def draws(network: Network, width: int, count: int, ntk: bool) -> np.ndarray:
    """The empirical kernel of networks drawn at random, [count, 2, 2].

    The NNGP is the mean product of the outputs, the NTK that of the jacobian by all parameters.
    """
    net = FiniteNetwork(network, X.shape[1:], width, 1 if ntk else width, jnp.float64)

    def one(key: jax.Array) -> jax.Array:
        params = net.init(key)
        if not ntk:
            outputs = net.apply(params, X)
            return outputs @ outputs.T / width
        rows = jax.tree.leaves(jax.jacrev(lambda p: net.apply(p, X)[:, 0])(params))
        return sum(row.reshape(2, -1) @ row.reshape(2, -1).T for row in rows)

    keys = jax.random.split(jax.random.key(0, impl="rbg"), count)
    return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(keys))


def assert_mean_is(truth: np.ndarray, found: np.ndarray, bias: float) -> None:
    """Within four standard errors of the mean, and a relative bias that shrinks with the width."""
    error = 4 * found.std(0, ddof=1) / np.sqrt(len(found)) + bias * np.abs(truth)
    assert (np.abs(found.mean(0) - truth) <= error).all(), (found.mean(0), truth)
    assert (error < 0.2 * truth.max()).all(), "the bound says nothing"


ROUND, TURNED, SINGLE = (
    Conv(size=5, padding="CIRCULAR"),
    Conv(stride=2, padding="CIRCULAR"),
    Conv(size=1, padding="VALID"),
)
PADDED = Network((ROUND, A, TURNED, A, SINGLE, A, Flatten(), Dense()))
WINDOWED = Network((C, A, AvgPool(3, 1), SINGLE, Activation("erf"), AvgPool(2), Flatten(), Dense()))
EVEN = Conv(size=2), A, Conv(size=4, stride=2), A, Conv(size=2, padding="CIRCULAR"), A, Flatten(), Dense()
SHORTCUT = Network((C, A, Residual((Conv(stride=2), A, C), Conv(size=1, stride=2)), A, GlobalAvgPool(), Dense()))
NORMALISED = Network((C, LayerNorm(whole=True), A, Conv(b_std=0.3), LayerNorm(), A, Flatten(), Dense()))
BRANCHES = Concat(((C, A), (Conv(size=1),))), Concat(((), (C,))), Sum(((C,), (C, A, C)))
PATCHES, NEAR = Conv(size=2, stride=2, padding="VALID"), PositionalEmbedding(0.5, 0.4)
WEIGHED = GlobalSelfAttention("linear", "softmax", 0.9, 0.7, 1.2, 0.8, 0.1, PositionalEmbedding(0.6), head=32)
TOKENS = Network((PATCHES, NEAR, Residual((LayerNorm(), WEIGHED)), A, GlobalAvgPool(), Dense()))
PRODUCTS = GlobalSelfAttention("sqrt", "identity", 0.6, 0.7, 0.8, 1.1, 0.2, NEAR, value_positions=True, head=1)
SQUARED = Network((PATCHES, PRODUCTS, A, Flatten(), Dense()))
SPREAD = Network((C, A, *BRANCHES, A, Flatten(), Dense()))


@pytest.mark.parametrize(
    "network",
    [fc_net(1), NESTED, PADDED, WINDOWED, Network(EVEN), TOKENS],
    ids=["fc", "nested", "padded", "windowed", "even", "attention"],
)
def test_products_of_outputs_converge_to_the_nngp(network: Network) -> None:
    truth = reference_kernel(network, X, X)[0]
    assert_mean_is(truth, draws(network, 32, 200, ntk=False), bias=1 / 32)


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (conv_net(1, activation="erf"), 64),
        (wide_resnet(1, groups=1), 64),
        (SHORTCUT, 128),
        (NORMALISED, 64),
        pytest.param(SPREAD, 64, marks=pytest.mark.slow),
        (TOKENS, 64),
    ],
    ids=["conv_net", "wide_resnet", "shortcut", "normalised", "spread", "attention"],
)
def test_products_of_jacobians_converge_to_the_ntk(network: Network, count: int) -> None:
    truth = reference_kernel(network, X, X)[1]
    assert_mean_is(truth, draws(network, 32, count, ntk=True), bias=1 / 32)


@pytest.mark.parametrize("network", [conv_net(1, prepend=False), TOKENS], ids=["conv_net", "attention"])
def test_the_standard_parameterisation_converges_to_its_own_kernel(network: Network) -> None:
    # The kernel belongs to width 12; networks wider by any factor have it too.
    network = network.standard(12)
    assert_mean_is(reference_kernel(network, X, X)[1], draws(network, 36, 80, ntk=True), bias=1 / 36)


STANDARD = SQUARED.standard(12)


@pytest.mark.parametrize(
    ("network", "ntk"),
    [
        pytest.param(SQUARED, False, marks=pytest.mark.slow),
        (SQUARED, True),
        pytest.param(STANDARD, True, marks=pytest.mark.slow),
    ],
)
def test_squared_attention_converges_as_products_of_three_covariances(network: Network, ntk: bool) -> None:
    # For a mean v of n squares of normals E[v^3] = (1 + 2 / n) (1 + 4 / n) E[v]^3.
    width = 120
    assert_mean_is(reference_kernel(network, X, X)[int(ntk)], draws(network, width, 260, ntk), bias=8 / width)


def test_the_error_shrinks_with_the_roots_of_width_and_draws() -> None:
    # One hidden layer has no bias: the error is that of the draws alone.
    truth = reference_kernel(fc_net(1), X, X)[0]
    narrow, wide = (draws(fc_net(1), width, 512, ntk=False) - truth for width in (8, 128))

    def error(found: np.ndarray, batch: int) -> float:
        """Root mean square of the means of batches."""
        return np.sqrt(np.mean(found.reshape(-1, batch, 2, 2).mean(1) ** 2))

    np.testing.assert_allclose(error(narrow, 1) / error(wide, 1), 4, rtol=0.2)
    np.testing.assert_allclose(error(narrow, 1) / error(narrow, 16), 4, rtol=0.3)
