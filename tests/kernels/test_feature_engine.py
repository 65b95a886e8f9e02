"""The kernel of an encoder is the product of its features, however images are grouped and dealt to devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kerneldistill.kernels.feature_engine
from kerneldistill.kernels import empirical_ntk, fc_net, features, tangent_features
from kerneldistill.kernels.blocks import whole
from kerneldistill.kernels.feature_engine import FeatureEngine
from kerneldistill.kernels.finite_width import FiniteNetwork
from tests.helpers.encoders import SHAPE, encoder
from tests.helpers.kernels import gradient, images, kernel
from tests.helpers.tolerance import FORWARD, GRADIENT, assert_close

PHI = encoder()
B_STD = 0.3


def engine(devices: int = 2, dtype: str = "float64", phi=PHI, shape=SHAPE) -> FeatureEngine:
    return FeatureEngine(features(phi, B_STD), shape, np.dtype(dtype), tuple(jax.devices()[:devices]))


def test_the_kernel_and_its_gradient_are_those_of_the_features() -> None:
    x, y = images(5, SHAPE), images(7, SHAPE, seed=1)
    cotangent = np.random.default_rng(2).standard_normal((7, 5))

    def total(own: jax.Array) -> jax.Array:
        return jnp.sum(cotangent * (PHI(jnp.asarray(y)) @ PHI(own).T + B_STD**2))

    assert_close(kernel(engine(), y, x), np.asarray(PHI(y) @ PHI(x).T) + B_STD**2, FORWARD["float64"])
    assert_close(gradient(engine(), y, x, cotangent), np.asarray(jax.grad(total)(jnp.asarray(x))), GRADIENT["float64"])


@pytest.mark.parametrize("count", [4, 5])
def test_the_kernel_of_the_support_is_whole(count: int) -> None:
    own, x = engine(), images(count, SHAPE)
    found = whole(own.half_k_ss(own.support_features(x), np.arange(count)))
    assert_close(found, kernel(own, x, x), FORWARD["float64"])


def test_devices_and_groups_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    dtype = "float32"
    x, y = images(5, SHAPE, dtype), images(7, SHAPE, dtype, seed=1)
    cotangent = np.random.default_rng(2).standard_normal((7, 5))
    alone = engine(1, dtype)
    truth, slope = kernel(alone, y, x), gradient(alone, y, x, cotangent)
    monkeypatch.setattr(kerneldistill.kernels.feature_engine, "POINTS_AT_ONCE", 1)
    parts = engine(2, dtype)
    assert parts.group == parts.chunk(7, 5) == 2
    assert truth.dtype == dtype
    assert_close(kernel(parts, y, x), truth, FORWARD[dtype])
    assert_close(gradient(parts, y, x, cotangent), slope, GRADIENT[dtype])


@pytest.mark.parametrize("side", [64, 96])
def test_images_of_any_size_are_encoded_in_groups(side: int) -> None:
    """A convolution and a mean: a few numbers of an image of any size."""
    filters = jnp.asarray(np.random.default_rng(0).standard_normal((3, 3, 3, 4)) / 5, jnp.float32)

    def phi(x: jax.Array) -> jax.Array:
        layer = jax.lax.conv_general_dilated(x, filters, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return jnp.tanh(layer).mean((1, 2))

    own = engine(dtype="float32", phi=phi, shape=(side, side, 3))
    x = images(70, (side, side, 3), "float32")
    assert own.group == 2 * (2**18 // side**2)
    assert_close(own.encode(x), np.asarray(phi(jnp.asarray(x))), FORWARD["float32"])
    assert own.encode_pullback(x, np.ones((70, 4), np.float32)).shape == x.shape


def test_tangent_features_have_the_empirical_ntk() -> None:
    net = FiniteNetwork(fc_net(1), SHAPE, width=8, outputs=3, dtype=np.dtype("float64"))
    params = net.init(jax.random.key(0))
    x, y = images(3, SHAPE), images(4, SHAPE, seed=1)
    truth = np.einsum("iaja->ij", np.asarray(empirical_ntk(net.apply, params, y, x)))
    own = FeatureEngine(features(tangent_features(net.apply, params), 0.0), SHAPE, np.dtype("float64"))
    assert_close(kernel(own, y, x), truth, FORWARD["float64"])


def test_images_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="the support must be float64"):
        engine().support_features(images(2, SHAPE, np.float32))
    with pytest.raises(ValueError, match="targets must be"):
        engine().target_features(images(2, (4, 5, 2)))
    with pytest.raises(ValueError, match=r"phi is 3, allowed is a function"):
        features(3)  # pyright: ignore[reportArgumentType]


def test_an_encoder_has_a_name() -> None:
    class Net:
        def __call__(self, x: jax.Array) -> jax.Array:
            return x.reshape(len(x), -1)

    assert features(encoder).name == "tests.helpers.encoders:encoder"
    assert features(Net()).name.endswith(":test_an_encoder_has_a_name.<locals>.Net")
