"""Finite networks: shapes, scales, and that the same parameters mean the same function in both parameterisations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerneldistill.kernels.architectures import conv_net, fc_net, wide_resnet
from kerneldistill.kernels.finite_width import FiniteNetwork, Weights
from kerneldistill.kernels.layers import (
    AvgPool,
    Concat,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    GlobalSelfAttention,
    PositionalEmbedding,
)
from kerneldistill.kernels.network import Network
from tests.helpers.kernels import images
from tests.helpers.networks import C

SHAPE = (5, 4, 2)


def made(network: Network, width: int = 6, outputs: int = 3) -> tuple[FiniteNetwork, tuple[Weights, ...]]:
    net = FiniteNetwork(network, SHAPE, width, outputs, jnp.float64)
    return net, jax.jit(net.init)(jax.random.key(0))


def test_parameters_have_the_shapes_of_the_layers() -> None:
    _, params = made(conv_net(1))
    shapes = [(p.W.shape, p.b.shape) for p in params]
    assert shapes == [((3, 3, 2, 6), (6,)), ((3, 3, 6, 6), (6,)), ((2 * 2 * 6, 3), (3,))]
    _, params = made(wide_resnet(1, groups=1, b_std=0.0))
    assert [p.W.shape[-2:] for p in params] == [(2, 6), (6, 6), (6, 6), (6, 6), (6, 3)]
    assert all(p.b is None for p in params)


def test_matrices_of_attention_have_the_channels_that_reach_them() -> None:
    double, positions = Concat(((C,), (Conv(size=1),))), PositionalEmbedding(decay=0.5)
    net, params = made(
        Network(
            (double, GlobalSelfAttention("sqrt", "identity", positions=positions, head=4), GlobalAvgPool(), Dense())
        )
    )
    matrices = [(12, 6)] * 3 + [(6, 6), (*SHAPE[:2], 12)]
    assert [p.W.shape for p in params[2:]] == [*matrices, (6, 3)]
    # Heads of 4 channels do not share 6: one has them all.
    assert jax.eval_shape(net.apply, params, images(2, SHAPE)).shape == (2, 3)


def test_a_block_is_the_sum_of_its_paths() -> None:
    net, params = made(wide_resnet(1, groups=1, global_pool=False))
    x = images(2, SHAPE)
    first, one, two, short, last = params

    def conv(weights: Weights, x: jax.Array) -> jax.Array:
        framed = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        h, w, inputs, outputs = *x.shape[1:3], *weights.W.shape[2:]
        sums = sum(framed[:, i : i + h, j : j + w] @ np.asarray(weights.W[i, j]) for i, j in np.ndindex(3, 3))
        return np.sqrt(2 / (9 * inputs)) * sums + 0.1 * np.asarray(weights.b).reshape(1, 1, 1, outputs)

    def relu(x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0)

    start = conv(first, x)
    block = relu(conv(two, relu(conv(one, relu(start)))) + conv(short, start)).reshape(2, -1)
    truth = np.sqrt(2 / block.shape[1]) * block @ np.asarray(last.W) + 0.1 * np.asarray(last.b)[None]
    np.testing.assert_allclose(jax.jit(net.apply)(params, x), truth, rtol=1e-12)


def test_pools_average_blocks_and_drop_the_last_row() -> None:
    net, params = made(Network((C, AvgPool(), Flatten(), Dense(1.0, 0.0))), width=2, outputs=8)
    # Weights that leave the pixels as they are: the centre of the filter, and one output per input.
    centre = np.zeros((3, 3, 2, 2))
    centre[1, 1] = np.eye(2) / np.sqrt(2 / 18)
    through = (Weights(centre, 0 * params[0].b), Weights(np.sqrt(8) * np.eye(8), None))
    x = images(2, SHAPE)
    blocks = x[:, :4].reshape(2, 2, 2, 2, 2, 2).mean((2, 4))
    np.testing.assert_allclose(net.apply(through, x), blocks.reshape(2, 8), rtol=1e-12)


def test_parameterisations_are_one_function_of_rescaled_parameters() -> None:
    # At the base width the standard parameters are W_std / sqrt(fan_in) times those of the NTK parameterisation.
    ntk, params = made(conv_net(1))
    x = images(2, SHAPE)
    standard = FiniteNetwork(ntk.network.standard(6), SHAPE, 6, 3, jnp.float64)
    fan_ins = ntk.network.fan_ins(SHAPE, 6).values()
    rescaled = tuple(Weights(np.sqrt(2 / n) * p.W, 0.1 * p.b) for p, n in zip(params, fan_ins, strict=True))
    np.testing.assert_allclose(standard.apply(rescaled, x), ntk.apply(params, x), rtol=1e-12)
    # The same draw, so the same key gives the same function, and four times the width half the forward factor.
    own = standard.init(jax.random.key(0))
    np.testing.assert_allclose(own[1].W, rescaled[1].W, rtol=1e-12)
    wider = FiniteNetwork(ntk.network.standard(6), SHAPE, 24, 3, jnp.float64)
    std = [float(jnp.std(p.W)) for p in wider.init(jax.random.key(0))]
    np.testing.assert_allclose(std, [np.sqrt(2 / n) for n in fan_ins], rtol=0.2)


def test_finite_networks_are_pure_and_keyed() -> None:
    net, params = made(fc_net(1))
    again, other = net.init(jax.random.key(0)), net.init(jax.random.key(1))
    np.testing.assert_array_equal(params[0].W, again[0].W)
    assert not np.allclose(params[0].W, other[0].W)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FiniteNetwork(Network(conv_net(1).layers[:-1]), SHAPE, 4), "ends with a Dense; this one with Flatten"),
        (lambda: FiniteNetwork(conv_net(3), SHAPE, 4), "too small for 3 poolings"),
        (lambda: FiniteNetwork(conv_net(1), SHAPE, 0), "width and outputs must be >= 1; got 0 and 1"),
        (lambda: made(fc_net(1))[0].apply(made(fc_net(1))[1], np.ones((2, 4, 4, 2))), r"float64 \[n, 5, 4, 2\]; got"),
        (lambda: made(fc_net(1))[0].apply(made(fc_net(1))[1], np.ones((2, *SHAPE), "float32")), "got float32"),
    ],
)
def test_bad_arguments_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
