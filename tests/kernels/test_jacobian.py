"""The gradient of each entry by its support image: against the definition, autodiff, and the engine's gradient."""

import jax
import numpy as np
import pytest

from kerneldistill.kernels.architectures import conv_net, fc_net
from kerneldistill.kernels.gram_matrix import gram
from kerneldistill.kernels.names import KernelKind
from kerneldistill.kernels.network import Network
from tests.helpers.kernels import engine, gradient, images, jacobian, kernel
from tests.helpers.networks import CASES
from tests.helpers.reference import reference_kernel
from tests.helpers.tolerance import FORWARD, GRADIENT, assert_close

Shape = tuple[int, int, int]
SHAPE = (4, 5, 1)
SUPPORT, TARGETS = images(3, SHAPE, seed=1), images(5, SHAPE, seed=2)


# Of a kind with variants the first is fast.
VARIED = [pytest.param(*case, id=name, marks=[pytest.mark.slow] * ("," in name)) for name, case in CASES.items()]


@pytest.mark.parametrize(("network", "shape"), VARIED)
def test_every_entry_changes_as_the_definition_does(network: Network, shape: Shape) -> None:
    support, targets, direction = (images(1, shape, seed=seed) for seed in range(3))
    found, by_image = jacobian(engine(network, shape), targets, support)
    step = 1e-5
    ahead, here, behind = (reference_kernel(network, targets, support + i * step * direction)[1] for i in (1, 0, -1))
    assert_close(found, here, FORWARD["float64"])
    np.testing.assert_allclose(np.vdot(by_image, direction), (ahead - behind) / (2 * step), rtol=1e-6)


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("kind", ["ntk", "nngp"])
@pytest.mark.parametrize("network", [conv_net(1), fc_net(1)], ids=["conv_net", "fc"])
def test_ragged_blocks_are_what_autodiff_of_the_kernel_gives(network: Network, kind: KernelKind, devices: int) -> None:
    truth = np.asarray(jax.jit(jax.jacrev(lambda x: gram(network, TARGETS, x, kind)))(SUPPORT))
    found, by_image = jacobian(engine(network, SHAPE, kind, devices=devices), TARGETS, SUPPORT)
    assert_close(found, kernel(engine(network, SHAPE, kind), TARGETS, SUPPORT), FORWARD["float64"])
    for s in range(len(SUPPORT)):
        assert_close(by_image[:, s], truth[:, s, s], GRADIENT["float64"])


@pytest.mark.parametrize(("network", "shape"), [CASES["fc"], CASES["conv_net, odd"]], ids=["fc", "conv_net"])
def test_its_weighted_sum_is_the_gradient(network: Network, shape: Shape) -> None:
    own = engine(network, shape, dtype=np.float32)
    support, targets = images(2, shape, np.float32, seed=1), images(3, shape, np.float32, seed=2)
    cotangent = np.random.default_rng(3).standard_normal((3, 2)).astype(np.float32)
    by_image = jacobian(own, targets, support)[1]
    assert by_image.dtype == np.float32
    found = np.einsum("ts,tshwc->shwc", cotangent, by_image)
    assert_close(found, gradient(own, targets, support, cotangent), GRADIENT["float32"])


def test_equal_images_and_images_without_variance_have_finite_ones() -> None:
    support = SUPPORT.copy()
    support[0], support[1] = TARGETS[0], 0
    _, by_image = jacobian(engine(conv_net(1, b_std=0.0), SHAPE), TARGETS, support)
    assert np.isfinite(by_image).all()


def test_chunks_are_bounded_by_their_bytes() -> None:
    own = engine(conv_net(2), (16, 16, 3), dtype=np.float32)
    entry = 16 * 16 * 3 * 4
    for support in (1, 10, 100):
        size = own.jacobian_chunk(5000, support)
        assert size % 2 == 0
        assert size <= own.chunk(5000, support)
        assert size * support * entry <= 2**28 or size == 2 * own.group
