"""Random features estimate the NNGP, better with every network, and their gradient is the derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kerneldistill.kernels.random_features
from kerneldistill.algorithms.gradient import loss_and_gradient
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.losses import half_mse
from kerneldistill.algorithms.support import Support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.kernels.architectures import conv_net, fc_net
from kerneldistill.kernels.flops import entry_flops
from kerneldistill.kernels.network import Network
from kerneldistill.kernels.random_features import FeatureMap
from tests.helpers.kernels import engine, gradient, images, kernel
from tests.helpers.splits import make_split
from tests.helpers.tolerance import FORWARD, GRADIENT, assert_close

SHAPE = (4, 4, 2)
CONV = conv_net(1, prepend=False, W_std=1.2, b_std=0.3)


def feature_map(network: Network = CONV, networks: int = 3, width: int = 8, devices: int = 2, dtype=np.float64):
    return FeatureMap(network, SHAPE, np.dtype(dtype), networks, width, tuple(jax.devices()[:devices]))


@pytest.mark.parametrize("network", [CONV, CONV.standard(20), fc_net(2, W_std=0.9)], ids=["conv", "standard", "fc"])
def test_the_estimate_tends_to_the_exact_kernel(network: Network) -> None:
    x = images(5, SHAPE)
    truth = kernel(engine(network, SHAPE, "nngp"), x, x)

    def error(networks: int, width: int) -> float:
        own = feature_map(network, networks, width)
        found = np.mean([(kernel(own.draw(seed), x, x) - truth) ** 2 for seed in range(12)])
        return float(np.sqrt(found)) / np.abs(truth).max()

    # The error falls as one over the root of width times networks: to a quarter, but for the scatter of 12 draws.
    few = error(2, 16)
    assert 0.02 < few < 0.5
    assert 0.15 * few < error(32, 16) < 0.4 * few
    if network is CONV:
        assert 0.15 * few < error(2, 256) < 0.4 * few


def test_a_draw_is_that_of_its_seed() -> None:
    own, x = feature_map(), images(3, SHAPE)
    first, second, again = (kernel(own.draw(seed), x, x) for seed in (0, 1, 0))
    assert np.array_equal(first, again)
    assert not np.allclose(first, second)


def test_devices_and_parts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    dtype = "float32"
    x, y = images(5, SHAPE, dtype), images(7, SHAPE, dtype, seed=1)
    cotangent = np.random.default_rng(2).standard_normal((7, 5))
    alone = feature_map(devices=1, dtype=dtype).draw(4)
    truth, slope = kernel(alone, y, x), gradient(alone, y, x, cotangent)
    monkeypatch.setattr(kerneldistill.kernels.random_features, "CHUNK_PRODUCTS", 1)
    parts = feature_map(devices=2, dtype=dtype).draw(4)
    assert parts.map.group == 2
    assert parts.chunk(7, 5) == 2
    assert truth.dtype == dtype
    assert_close(kernel(parts, y, x), truth, FORWARD[dtype])
    assert_close(gradient(parts, y, x, cotangent), slope, GRADIENT[dtype])


def test_the_gradient_of_a_regression_is_that_of_the_features() -> None:
    """Plain differentiation through the networks' own forward pass."""
    split, rng = make_split((4, 4, 3), SHAPE), np.random.default_rng(5)
    support = Support(rng.standard_normal((4, *SHAPE)), rng.standard_normal((4, 3)))
    own = feature_map(networks=2).draw(7)
    last = CONV.layers[-1]

    def values(x: jax.Array) -> jax.Array:
        phi = jnp.concatenate(
            [own.map.finite.embed(jax.tree.map(lambda p, i=i: p[i], own.params), x) for i in range(2)], 1
        )
        return last.W_std / np.sqrt(phi.shape[1]) * phi

    def loss(x: jax.Array, y: jax.Array) -> jax.Array:
        v = values(x)
        k_ss = v @ v.T + last.b_std**2
        k_ts = values(jnp.asarray(split.images, jnp.float64)) @ v.T + last.b_std**2
        alpha = jnp.linalg.solve(k_ss + 1e-2 * jnp.trace(k_ss) / 4 * jnp.eye(4), y)
        return 0.5 * jnp.mean((k_ts @ alpha - centred_one_hot(split.labels, 3)) ** 2)

    value, (by_images, by_labels) = jax.jit(jax.value_and_grad(loss, (0, 1)))(*map(jnp.asarray, support))
    found = loss_and_gradient(own, support, Targets(own, split, 3).chunks(4), 1e-2, half_mse)
    assert found.loss == pytest.approx(float(value), rel=FORWARD["float64"])
    assert_close(found.images, by_images, GRADIENT["float64"])
    assert_close(found.labels, by_labels, GRADIENT["float64"])


def test_images_that_do_not_fit_are_refused() -> None:
    own = feature_map().draw(0)
    with pytest.raises(ValueError, match="the support must be float64"):
        own.support_features(images(2, SHAPE, np.float32))
    with pytest.raises(ValueError, match="targets must be"):
        own.target_features(images(2, (4, 5, 2)))


def test_features_of_an_ntk_would_cost_what_the_exact_kernel_does() -> None:
    """Why there are none: RFAD's networks at 32x32 have that many weights."""
    network, shape, width, networks = conv_net(3, prepend=False), (32, 32, 3), 256, 8
    *hidden, last = network.fan_ins(shape, width).values()
    weights = width * sum(hidden) + last
    an_entry = 2 * networks * weights  # before a feature is made
    assert weights == 1_190_656
    assert an_entry > 0.9 * entry_flops(network, shape, "ntk").forward
    assert 5_120 * networks * weights * 4 > 190e9  # bytes of the targets of a step
