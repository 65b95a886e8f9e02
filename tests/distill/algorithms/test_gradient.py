"""The one-pass gradient is that of the whole loss, however it is cut into chunks and dealt to devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerneldistill.algorithms.gradient import Gradient, loss_and_gradient
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.losses import LossValue, half_mse
from kerneldistill.algorithms.support import Support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.kernels.architectures import conv_net, fc_net
from kerneldistill.kernels.gram_matrix import gram
from kerneldistill.kernels.levels import points
from kerneldistill.kernels.network import Network
from kerneldistill.pipeline.split import Split
from tests.helpers.kernels import allow, engine
from tests.helpers.splits import make_split
from tests.helpers.tolerance import FORWARD, GRADIENT, assert_close

SHAPE = (6, 6, 1)
RIDGE = 1e-2
NETWORKS = {"fc": fc_net(2), "conv": conv_net(1)}


@pytest.fixture(scope="module")
def split() -> Split:
    return make_split((9, 7, 5), SHAPE)


@pytest.fixture(scope="module")
def support() -> Support:
    """Six images with labels of their own; the last is the first once more."""
    rng = np.random.default_rng(5)
    images, labels = rng.standard_normal((6, *SHAPE)), rng.standard_normal((6, 3))
    images[-1] = images[0]
    return Support(images, labels)


def whole_gradient(network: Network, support: Support, split: Split) -> tuple[float, np.ndarray, np.ndarray]:
    """Plain differentiation of the whole loss, in float64."""
    targets, labels = jnp.asarray(split.images, jnp.float64), jnp.asarray(centred_one_hot(split.labels, 3))

    def loss(images: jax.Array, own: jax.Array) -> jax.Array:
        k_ss, k_ts = gram(network, images, images), gram(network, targets, images)
        regularised = k_ss + RIDGE * jnp.trace(k_ss) / len(images) * jnp.eye(len(images))
        return 0.5 * jnp.mean((k_ts @ jnp.linalg.solve(regularised, own) - labels) ** 2)

    value, gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(*map(jnp.asarray, support))
    return float(value), *map(np.asarray, gradients)


def in_chunks(size: int, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the engine's chunks about `size` targets for six rows, in tiles of two."""
    allow(monkeypatch, chunk_points=size * 6 * points(network, *SHAPE), lanes=2, plane_bytes=0)


def computed(
    network: Network, support: Support, split: Split, devices: int = 2, dtype: str = "float64"
) -> tuple[Gradient, list[int]]:
    """The gradient, and the number of targets in each chunk."""
    own = engine(network, SHAPE, dtype=np.dtype(dtype), devices=devices)
    chunks = list(Targets(own, split, 3).chunks(len(support.images)))
    cast = Support(support.images.astype(dtype), support.labels)
    return loss_and_gradient(own, cast, chunks, RIDGE, half_mse), [len(chunk.labels) for chunk in chunks]


@pytest.fixture(scope="module", params=NETWORKS)
def truth(request, support: Support, split: Split) -> tuple[Network, float, np.ndarray, np.ndarray]:
    network = NETWORKS[request.param]
    return network, *whole_gradient(network, support, split)


def test_chunks_and_devices_give_the_gradient_of_the_whole_loss(truth, support, split, monkeypatch) -> None:
    network, value, images, labels = truth
    in_chunks(8, network, monkeypatch)
    (alone, _), (found, sizes) = (computed(network, support, split, devices) for devices in (1, 2))
    assert len(sizes) >= 3
    assert sizes[-1] < sizes[0]
    assert sum(sizes) == 21
    assert_close(alone.images, found.images, FORWARD["float64"])
    assert_close(alone.labels, found.labels, FORWARD["float64"])
    assert alone.loss == pytest.approx(found.loss, rel=FORWARD["float64"])
    assert found.loss == pytest.approx(value, rel=FORWARD["float64"])
    assert found.images.dtype == np.float64
    assert_close(found.images, images, GRADIENT["float64"])
    assert_close(found.labels, labels, GRADIENT["float64"])
    # Equal images with different labels: neither infinite nor zero.
    assert np.isfinite(found.images).all()
    assert np.abs(found.images[-1]).max() > 1e-3 * np.abs(images).max()


def test_float32_gives_the_same_to_its_rounding(truth, support, split) -> None:
    network, value, images, labels = truth
    found, sizes = computed(network, support, split, dtype="float32")
    assert sizes == [21]
    assert found.images.dtype == np.float32
    assert found.labels.dtype == np.float64
    assert found.loss == pytest.approx(value, rel=GRADIENT["float32"])
    assert_close(found.images, images, GRADIENT["float32"])
    assert_close(found.labels, labels, GRADIENT["float32"])


def test_any_loss_of_the_predictions_can_be_given(support: Support, split: Split) -> None:
    own = engine(NETWORKS["fc"], SHAPE)
    targets = Targets(own, split, 3)

    def doubled(predictions: np.ndarray, labels: np.ndarray) -> LossValue:
        value, gradient, terms, _ = half_mse(predictions, labels)
        return LossValue(2 * value, 2 * gradient, terms, {"height": 3.0})

    once, twice = (loss_and_gradient(own, support, targets.chunks(6), RIDGE, loss) for loss in (half_mse, doubled))
    assert twice.loss == pytest.approx(2 * once.loss, rel=1e-14)
    assert_close(twice.images, 2 * once.images, 1e-12)
    assert_close(twice.labels, 2 * once.labels, 1e-12)
    assert twice.loss_parameters["height"] == pytest.approx(3.0 * len(list(targets.chunks(6))) / (3 * len(targets)))


def test_a_step_against_the_gradient_lowers_the_loss(support: Support, split: Split) -> None:
    network = NETWORKS["fc"]
    before, _ = computed(network, support, split)
    moved = Support(support.images - 1e-3 * before.images, support.labels - 1e-3 * before.labels)
    fall = before.loss - computed(network, moved, split)[0].loss
    expected = 1e-3 * (np.sum(before.images**2) + np.sum(before.labels**2))
    assert fall == pytest.approx(expected, rel=0.05)
