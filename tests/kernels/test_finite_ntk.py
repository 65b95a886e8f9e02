"""The empirical NTK: both ways against jax.jacrev, the choice, the largest eigenvalue, and the infinite kernel."""

from typing import get_args

import jax
import numpy as np
import pytest

from kerneldistill.kernels.architectures import conv_net, fc_net
from kerneldistill.kernels.finite_ntk import (
    Method,
    NtkPlan,
    empirical_ntk,
    largest_eigenvalue,
    mean_ntk,
    ntk_plan,
    ntk_vector_product,
)
from kerneldistill.kernels.finite_width import FiniteNetwork
from kerneldistill.kernels.network import Network
from tests.helpers.kernels import images
from tests.helpers.reference import reference_kernel

SHAPE = (4, 4, 2)
X1, X2 = images(3, SHAPE), images(2, SHAPE, seed=1)
METHODS = get_args(Method)


def made(network: Network, width: int = 5, outputs: int = 3) -> tuple[FiniteNetwork, tuple]:
    """A network and normal parameters, drawn without compiling anything."""
    net = FiniteNetwork(network, SHAPE, width, outputs, np.float64)
    rng = np.random.default_rng(0)
    return net, jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape), jax.eval_shape(net.init, jax.random.key(0)))


def directly(net: FiniteNetwork, params: tuple, x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    """The contraction of the two whole Jacobians that jax.jacrev makes."""

    def jacobian(x: np.ndarray) -> np.ndarray:
        leaves = jax.tree.leaves(jax.jit(jax.jacrev(lambda p: net.apply(p, x)))(params))
        return np.concatenate([np.asarray(leaf).reshape(len(x), net.outputs, -1) for leaf in leaves], 2)

    return np.einsum("iap,jbp->iajb", jacobian(x1), jacobian(x2))


@pytest.mark.parametrize(
    "network",
    [conv_net(1, prepend=False), pytest.param(fc_net(2).standard(5), marks=pytest.mark.slow)],
    ids=["conv", "fc"],
)
def test_both_ways_equal_the_jacobians_of_jax(network: Network) -> None:
    net, params = made(network)
    truth = directly(net, params, X1, X2)
    v = np.random.default_rng(0).standard_normal((2, 3))

    @jax.jit
    def found(params: tuple) -> tuple[jax.Array, ...]:
        ways = [ntk(net.apply, params, X1, X2, way) for ntk in (empirical_ntk, mean_ntk) for way in METHODS]
        return *ways, ntk_vector_product(net.apply, params, X1, X2, v)

    contraction, products, *means, product = found(params)
    for mean in means:
        np.testing.assert_allclose(mean, np.einsum("iaja->ij", truth) / 3, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(contraction, truth, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(products, truth, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(product, np.einsum("iajb,jb->ia", truth, v), rtol=1e-11, atol=1e-12)


def test_the_plan_contracts_convolutions_and_multiplies_dense_networks() -> None:
    conv, fc = (made(network, width=16, outputs=10) for network in (conv_net(1), fc_net(2)))
    assert ntk_plan(conv[0].apply, conv[1], X1, X2).method == "contraction"
    assert ntk_plan(fc[0].apply, fc[1], X1, X2).method == "products"
    size = sum(leaf.size for leaf in jax.tree.leaves(conv[1]))
    plan = ntk_plan(conv[0].apply, conv[1], X1, X2, max_bytes=5 * 10 * size * 8 - 1)
    assert plan.jacobian_bytes == plan.max_bytes + 1
    assert plan.method == "products"


def test_the_plan_counts_as_the_paper_does() -> None:
    # A linear network of P weights: a pass is 2 P operations, give or take what XLA does beside.
    net, params = made(fc_net(1), width=64, outputs=4)
    plan = ntk_plan(net.apply, params, X1, X2)
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert plan.contraction == pytest.approx(2 * 3 * 2 * 4 * 4 * size + 5 * 4 * 4 * size, rel=0.25)
    assert plan.products == pytest.approx(2 * 4 * (4 * size + 3 * 4 * size), rel=0.25)
    assert NtkPlan(2.0, 2.0, 1, 1).method == "contraction"


def test_lanczos_finds_the_largest_eigenvalue() -> None:
    net, params = made(fc_net(1))
    truth = directly(net, params, X1, X1).reshape(9, 9)
    assert largest_eigenvalue(net.apply, params, X1) == pytest.approx(np.linalg.eigvalsh(truth)[-1], rel=1e-4)


def test_lanczos_ends_where_the_space_does() -> None:
    net, params = made(fc_net(1), outputs=1)
    twice = np.concatenate([X1[:1]] * 4)
    theta = float(directly(net, params, X1[:1], X1[:1])[0, 0, 0, 0])
    assert largest_eigenvalue(net.apply, params, twice, tolerance=1e-8) == pytest.approx(4 * theta)


@pytest.mark.slow
@pytest.mark.parametrize("network", [conv_net(1), conv_net(1).standard(12)], ids=["ntk", "standard"])
def test_its_mean_over_draws_is_the_infinite_kernel(network: Network) -> None:
    net = FiniteNetwork(network, SHAPE, 48, 2, np.float64)
    keys = jax.random.split(jax.random.key(0, impl="rbg"), 48)
    draw = jax.jit(lambda key: empirical_ntk(net.apply, net.init(key), X2, X2, "contraction"))
    found = np.array([draw(key) for key in keys])
    truth = np.einsum("ij,ab->iajb", reference_kernel(network, X2, X2)[1], np.eye(2))
    error = 4 * found.std(0, ddof=1) / np.sqrt(len(found)) + np.abs(truth) / 24
    assert (np.abs(found.mean(0) - truth) <= error).all(), (found.mean(0), truth)
    assert (error < 0.25 * truth.max()).all(), "the bound says nothing"
