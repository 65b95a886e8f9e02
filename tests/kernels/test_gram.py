"""The kernel matrix as a function to differentiate: against finite differences in float64."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerneldistill.kernels.activations.hermite import Hermite
from kerneldistill.kernels.architectures import conv_net, conv_vec, fc_net, wide_resnet
from kerneldistill.kernels.blocks import block, half_block, whole
from kerneldistill.kernels.gram_matrix import gram
from kerneldistill.kernels.image_features import features
from kerneldistill.kernels.layers import AvgPool, Conv, Dense, Flatten, GlobalAvgPool, LayerNorm
from kerneldistill.kernels.names import KernelKind
from kerneldistill.kernels.network import Network
from tests.helpers.kernels import images
from tests.helpers.networks import CIRCULAR, JOINED, PATCHES, SQUARED, STRIDED, TOKENS, A, C
from tests.helpers.tolerance import assert_close

# Few terms compile sooner, and have their own derivative.
COARSE = conv_vec(1, activation=Hermite(jnp.cos, degree=4, nodes=8))
X = images(3, (4, 4, 1))
X[2] = X[0]
WEIGHTS = np.random.default_rng(5).standard_normal((3, 3))


def value_and_gradient(network: Network) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Of a weighted sum of the kernel matrix of some images with themselves: both arguments at once."""
    return jax.jit(jax.value_and_grad(lambda x: jnp.sum(gram(network, x, x) * WEIGHTS)))


@pytest.mark.parametrize(
    "network",
    [
        conv_net(1),
        wide_resnet(1, groups=1, activation="gelu", global_pool=False).standard(4),
        COARSE,
        Network((*STRIDED, GlobalAvgPool(), Dense())),
        Network((*CIRCULAR, Flatten(), Dense())),
        Network((C, LayerNorm(), A, AvgPool(3, 1), Conv(padding="VALID", size=1), LayerNorm(whole=True), A, Flatten())),
        Network((*JOINED, Flatten(), Dense())),
        Network((*TOKENS, GlobalAvgPool(), Dense())),
        Network((C, A, SQUARED, A, AvgPool(), PATCHES, Flatten())),
    ],
    ids=[
        *("conv_net", "wide_resnet, standard", "expansion", "strided", "circular", "pool and norm", "joined"),
        *("attention", "squared attention"),
    ],
)
def test_gradients_are_finite_differences_also_at_equal_images(network: Network) -> None:
    function = value_and_gradient(network)
    gradient = np.asarray(function(X)[1])
    assert np.isfinite(gradient).all()
    # A direction that keeps the equal images equal: across it the tangent kernel of ReLU has a cusp.
    direction = images(3, X.shape[1:], seed=7)
    direction[2] = direction[0]
    step = 1e-5
    difference = (function(X + step * direction)[0] - function(X - step * direction)[0]) / (2 * step)
    np.testing.assert_allclose(np.vdot(gradient, direction), difference, rtol=1e-7)


def test_images_without_variance_have_a_finite_kernel_and_gradient() -> None:
    x = X.copy()
    x[1] = 0.0
    x[0, :3, :3] = 0.0
    value, gradient = value_and_gradient(conv_net(1, b_std=0.0))(x)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_the_gradient_of_columns_is_that_of_the_transpose() -> None:
    network, a, b = conv_net(1, prepend=False), X[:1], X[1:]
    weights = WEIGHTS[:1, :2]

    @jax.jit
    def both(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
        by_column = jax.grad(lambda b: jnp.sum(gram(network, a, b, "nngp") * weights))(b)
        return by_column, jax.grad(lambda b: jnp.sum(gram(network, b, a, "nngp") * weights.T))(b)

    np.testing.assert_allclose(*both(a, b), rtol=1e-12)


@pytest.mark.parametrize("network", [conv_vec(1), fc_net(1)])
@pytest.mark.parametrize("size", [1, 4, 5])
def test_every_pair_of_a_kernel_is_computed_once(network: Network, size: int) -> None:
    own = features(network, jnp.asarray(images(size, (3, 4, 1))))
    half = half_block(network, "ntk", own, jnp.arange(size))
    assert half.shape == (size, size // 2 + 1)
    kernel = whole(np.asarray(half))
    assert np.array_equal(kernel, kernel.T)
    assert_close(kernel, block(network, "ntk", own, own), 1e-13)


@pytest.mark.parametrize("kind", ["ntk", "nngp"])
def test_the_diagonal_of_a_fully_connected_kernel_is_exact_in_float32(kind: KernelKind) -> None:
    """An image has cosine 1 with itself: ReLU halves its covariances, and the diagonal is a recurrence."""
    network, x = fc_net(4, W_std=1.3, b_std=0.2), images(40, (32, 32, 3), np.float32)
    nngp = ntk = 1.3**2 * np.square(x.astype(np.float64)).mean((1, 2, 3)) + 0.2**2
    for _ in range(4):
        nngp = 1.3**2 * nngp / 2 + 0.2**2
        ntk = 1.3**2 * ntk / 2 + nngp
    half = jax.jit(lambda x: half_block(network, kind, features(network, x), jnp.arange(40)))(x)
    np.testing.assert_allclose(np.diag(whole(np.asarray(half))), {"ntk": ntk, "nngp": nngp}[kind], rtol=2e-6)
