"""What every kernel of this kind must satisfy, whatever its values."""

import numpy as np
import pytest

from kerneldistill.kernels.architectures import conv_net, fc_net, wide_resnet
from kerneldistill.kernels.layers import (
    AvgPool,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    GlobalSelfAttention,
    LayerNorm,
    PositionalEmbedding,
    Residual,
)
from kerneldistill.kernels.network import Network
from tests.helpers.kernels import both_kernels, images
from tests.helpers.networks import CIRCULAR, JOINED, PATCHES, SQUARED, STRIDED, TOKENS, A, C

TWINS = images(5, (4, 4, 2))
TWINS[3] = TWINS[0]


@pytest.mark.parametrize(
    ("network", "dtype"),
    [
        (conv_net(1), "float64"),
        (wide_resnet(1, groups=1), "float32"),
        (fc_net(2, activation="tanh"), "float64"),
        (Network((*STRIDED, GlobalAvgPool(), Dense())), "float32"),
        (Network((*CIRCULAR, GlobalAvgPool(), Dense())), "float64"),
        (Network((*JOINED, C, AvgPool(3, 1), LayerNorm(), A, Flatten(), Dense())), "float64"),
        (Network((*TOKENS, Conv(size=1), A, GlobalAvgPool(), Dense())), "float64"),
        (Network((PATCHES, A, SQUARED, A, Flatten(), Dense())), "float32"),
    ],
    ids=["conv_net", "wide_resnet", "expansion", "strided", "circular", "joined", "attention", "squared"],
)
def test_kernels_are_symmetric_and_positive_semidefinite(network: Network, dtype: str) -> None:
    x = TWINS.astype(dtype)
    eps = np.finfo(dtype).eps
    for kernel in both_kernels(network, x, x):
        kernel = kernel.astype(np.float64)
        scale = np.abs(kernel).max()
        np.testing.assert_allclose(kernel, kernel.T, rtol=0, atol=20 * eps * scale)
        eigenvalues = np.linalg.eigvalsh(kernel)
        assert eigenvalues[0] > -50 * eps * scale
        # The twins make one direction of no length, and no other.
        assert eigenvalues[1] > 1e-4 * scale
        np.testing.assert_allclose(kernel[0], kernel[3], rtol=0, atol=20 * eps * scale)
        np.testing.assert_allclose(kernel[0, 3], kernel[0, 0], rtol=20 * eps)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_diagonal_of_the_shallow_network_is_exact(dtype: str) -> None:
    # K1 = W^2 <x, x> + b^2, K2 = W^2 K1 / 2 + b^2, Theta = K2 + W^2 K1 / 2: no rounding of an arc cosine is left.
    x = images(4, (6, 6, 3), dtype)
    W2, b2 = 1.3**2, 0.2**2
    nngp, ntk = both_kernels(fc_net(1, 1.3, 0.2), x, x)
    first = W2 * np.mean(x.astype(np.float64).reshape(4, -1) ** 2, axis=1) + b2
    np.testing.assert_allclose(np.diag(nngp), W2 * first / 2 + b2, rtol=10 * np.finfo(dtype).eps)
    np.testing.assert_allclose(np.diag(ntk), W2 * first + b2, rtol=10 * np.finfo(dtype).eps)


def test_circular_networks_do_not_see_where_images_begin() -> None:
    circular, x = Conv(padding="CIRCULAR"), images(3, (4, 6, 2))
    network = Network((circular, A, AvgPool(), circular, A, GlobalAvgPool(), Dense()))
    turned = np.roll(x, (2, 4), axis=(1, 2))  # by windows of the pool
    for whole, moved in zip(both_kernels(network, x, x), both_kernels(network, x, turned), strict=True):
        np.testing.assert_allclose(moved, whole, rtol=1e-12)


def test_attention_sees_where_patches_are_by_positions_alone() -> None:
    x = images(3, (4, 6, 2))
    cut = x.reshape(3, 2, 2, 3, 2, 2).swapaxes(2, 3).reshape(3, 6, 2, 2, 2)[:, [3, 0, 5, 1, 4, 2]]
    moved = cut.reshape(3, 2, 3, 2, 2, 2).swapaxes(2, 3).reshape(x.shape)
    layers = Residual((LayerNorm(), GlobalSelfAttention())), GlobalSelfAttention("sqrt", "identity"), LayerNorm(), A
    blind = Network((PATCHES, *layers, GlobalAvgPool(), Dense()))
    sighted = Network((PATCHES, PositionalEmbedding(1.0, 0.5), *layers, GlobalAvgPool(), Dense()))
    for whole, found in zip(both_kernels(blind, x, x), both_kernels(blind, x, moved), strict=True):
        np.testing.assert_allclose(found, whole, rtol=1e-12)
    for whole, found in zip(both_kernels(sighted, x, x), both_kernels(sighted, x, moved), strict=True):
        assert np.abs(found - whole).max() > 1e-3 * whole.max()


def test_normalised_networks_do_not_see_how_bright_images_are() -> None:
    x = images(3, (4, 4, 2))
    network = Network((Conv(b_std=0.0), LayerNorm(eps=1e-12), A, AvgPool(2, 1), Flatten(), Dense()))
    for whole, bright in zip(both_kernels(network, x, x), both_kernels(network, x, 5 * x), strict=True):
        np.testing.assert_allclose(bright, whole, rtol=1e-10)


def test_relu_networks_without_biases_are_homogeneous() -> None:
    x, y = TWINS[:2], TWINS[2:4]
    scaled = both_kernels(conv_net(1, b_std=0.0), np.concatenate([x, 3 * x]), np.concatenate([y, 0.5 * y]))
    for kernel in scaled:
        np.testing.assert_allclose(kernel[2:, 2:], 1.5 * kernel[:2, :2], rtol=1e-12)


def test_the_wide_limit_of_identity_networks_is_linear_regression() -> None:
    # Without activations and biases the fully connected NNGP and NTK are multiples of the inner products.
    x = images(3, (2, 2, 1))
    nngp, ntk = both_kernels(fc_net(2, 1.0, 0.0, activation="identity"), x, x)
    products = x.reshape(3, -1) @ x.reshape(3, -1).T / 4
    np.testing.assert_allclose(nngp, products, rtol=1e-12)
    np.testing.assert_allclose(ntk, 3 * products, rtol=1e-12)
