"""Standard deviations against the definition's variances, in groups and at zero."""

import jax
import numpy as np
import pytest

from kerneldistill.kernels.architectures import conv_net, fc_net, wide_resnet
from kerneldistill.kernels.gram_matrix import gram
from kerneldistill.kernels.image_features import features
from kerneldistill.kernels.layers import Activation, AvgPool, Conv, Dense, Flatten, GlobalAvgPool
from kerneldistill.kernels.network import Network
from kerneldistill.kernels.safe_math import inverse, root
from tests.helpers.kernels import images
from tests.helpers.reference import reference_kernel
from tests.helpers.tolerance import FORWARD, assert_close


def test_deviations_are_roots_of_the_network_cut_before_each_activation() -> None:
    x = images(3, (2, 3, 2))
    found = jax.jit(features, static_argnums=0)(fc_net(2), x)
    assert list(found.stds) == list(fc_net(2).activations) == ["2", "4"]
    for path, std in found.stds.items():
        cut = Network(fc_net(2).layers[: int(path)])
        np.testing.assert_allclose(std**2, np.diag(reference_kernel(cut, x, x)[0]), rtol=1e-12)


def test_deviations_of_pixels_average_to_the_network_with_its_head_there() -> None:
    x = images(3, (4, 4, 2))
    network = conv_net(1)
    found = jax.jit(features, static_argnums=0)(network, x)
    for path, std in found.stds.items():
        truth = reference_kernel(Network((*network.layers[: int(path)], Flatten())), x, x)[0]
        assert std.shape == (3, 4, 4)
        np.testing.assert_allclose(np.mean(std**2, (1, 2)), np.diag(truth), rtol=1e-12)


def test_one_deviation_per_activation_at_its_resolution() -> None:
    x = images(2, (4, 6, 1))
    stds = jax.eval_shape(lambda x: features(wide_resnet(1, groups=2), x), x).stds
    full, half = (2, 4, 6), (2, 2, 3)
    truth = {"1.branch.0": full, "1.branch.2": full, "3.branch.0": half, "3.branch.2": half, "4": half}
    assert {path: std.shape for path, std in stds.items()} == truth


def test_groups_do_not_change_the_deviations() -> None:
    network, x = Network((Conv(), Activation(), Flatten())), images(5, (3, 3, 1))
    whole = jax.jit(lambda x: features(network, x).stds)(x)
    cut = jax.jit(lambda x: features(network, x, 2).stds)(x)
    np.testing.assert_allclose(whole["1"], cut["1"], rtol=1e-14)


@pytest.mark.parametrize("function", [root, inverse])
def test_zero_has_a_value_and_a_gradient(function) -> None:
    x = np.array([0.0, 4.0])
    np.testing.assert_allclose(function(x), {root: [0, 2], inverse: [0, 0.25]}[function])
    gradient = jax.grad(lambda x: function(x).sum())(x)
    np.testing.assert_allclose(gradient, {root: [0, 0.25], inverse: [0, -1 / 16]}[function])


@pytest.mark.parametrize("first", [AvgPool(), GlobalAvgPool()])
def test_a_network_may_begin_with_a_pool(first: AvgPool | GlobalAvgPool) -> None:
    head = (Flatten(),) if isinstance(first, AvgPool) else ()
    network = Network((first, *head, Dense(), Activation("relu"), Dense()))
    x = images(3, (4, 4, 1))
    assert_close(gram(network, x, x, "ntk"), reference_kernel(network, x, x)[1], FORWARD["float64"])
