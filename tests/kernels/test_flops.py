"""The operations of an entry: counted by hand, by XLA, and by tracing the whole program."""

from math import prod

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import Jaxpr
from jax.interpreters.partial_eval import dce_jaxpr

from kerneldistill.kernels.architectures import conv_net, conv_vec, fc_net
from kerneldistill.kernels.blocks import block, block_saving, pullback
from kerneldistill.kernels.flops import entry_flops
from kerneldistill.kernels.image_features import Features, features
from kerneldistill.kernels.layers import Activation, AvgPool, Conv, Dense, Flatten
from kerneldistill.kernels.network import Network
from kerneldistill.kernels.passes import ARITHMETIC
from tests.helpers.networks import CASES

PAIRS = 16


def given(network: Network, shape: tuple[int, int, int]) -> tuple[Features, Features, jax.ShapeDtypeStruct]:
    """The shapes of one support image, a group of targets, and the weights of their kernel."""

    def abstract(count: int) -> Features:
        return jax.eval_shape(lambda x: features(network, x), jax.ShapeDtypeStruct((count, *shape), jnp.float32))

    return abstract(1), abstract(PAIRS), jax.ShapeDtypeStruct((PAIRS, 1), jnp.float32)


def by_hand(height: int, width: int, channels: int) -> int:
    """Forward, NTK: conv, identity, pool 2x2, flatten, dense on an even size. The band has radius 1: 3 x 3 offsets."""
    points = 9 * height * width
    entering, conv, identity = 2 * channels, 4 + 1 + 1, 0
    # Three additions and a division of each output of both kernels, along columns and then along rows.
    pooled_columns, pooled = 3 * height * (width // 2), (height // 2) * (width // 2)
    head, dense = pooled, 2 + 2
    return points * (entering + conv + identity) + 2 * 4 * (pooled_columns + pooled) + 2 * head + dense


@pytest.mark.parametrize("shape", [(4, 4, 1), (6, 2, 3)])
def test_a_small_network_by_hand(shape: tuple[int, int, int]) -> None:
    network = Network((Conv(), Activation("identity"), AvgPool(), Flatten(), Dense()))
    assert entry_flops(network, shape, "ntk").forward == by_hand(*shape)


def test_a_stride_and_a_window_by_hand() -> None:
    # One offset: a box sum on 6 x 8 pixels, scale and bias on 3 x 4. Windows of 3 leave 2 x 2, whose one needs 5 x 5.
    network = Network((Conv(stride=2, b_std=0.0), Flatten()))
    assert entry_flops(network, (6, 8, 3), "nngp").forward == 48 * (6 + 4) + 12 * 2 + 12
    pooled = Network((Conv(), AvgPool(3), Flatten()))
    # Of each row of the band, sums of three on 3 offsets x 2 pixels and on 2 pixels, and a division; then of columns.
    rows, columns = 5 * 6, 2
    pool = rows * (2 * (3 * 2 + 2) + 2) + columns * (2 * (3 * 2 + 2) + 2)
    assert entry_flops(pooled, (6, 6, 1), "nngp").forward == 5 * 5 * 36 * (2 + 4 + 2) + pool + 4


def test_a_dense_layer_by_hand() -> None:
    # Products of 2 x 3 x 4 pixels, a dense layer, identity, a dense layer whose own part meets what came before.
    network = fc_net(1, activation="identity")
    assert entry_flops(network, (2, 3, 4), "nngp").forward == 2 * 24 + 2 + 2
    assert entry_flops(network, (2, 3, 4), "ntk").forward == 2 * 24 + 2 + (2 + 2)


@pytest.mark.parametrize("network", [conv_vec(2), fc_net(1)])
def test_as_xla_counts_where_no_loop_runs_twice(network: Network) -> None:
    # XLA counts the body of a loop once; a network that holds offset 0 alone runs each of them once.
    shape = (14, 16, 3)
    rows, cols, weights = given(network, shape)
    programs = {
        "forward": jax.jit(lambda r, c: block(network, "ntk", r, c)).lower(rows, cols),
        "pullback": jax.jit(lambda r, c, w: pullback(network, "ntk", r, c, w)).lower(rows, cols, weights),
    }
    own = entry_flops(network, shape, "ntk")._asdict()
    for name, program in programs.items():
        counted = program.compile().cost_analysis()["flops"] / PAIRS
        # It counts comparisons, selections and frames of box sums, and once what both directions of a ReLU share.
        assert 0.45 < own[name] / counted < 1.25, name


def arithmetic(jaxpr: Jaxpr) -> int:
    """Elementwise operations and sums in all of a program, loops as often as they run."""
    count = 0
    for equation in jaxpr.eqns:
        repeats = equation.params["length"] if equation.primitive.name == "scan" else 1
        inner = [getattr(value, "jaxpr", value) for value in equation.params.values() if hasattr(value, "eqns")]
        count += sum(repeats * arithmetic(part) for part in inner)
        if equation.outvars and jnp.issubdtype(equation.outvars[0].aval.dtype, jnp.floating):
            if equation.primitive.name in {*ARITHMETIC, "add_any"}:  # which adds cotangents
                count += prod(equation.outvars[0].aval.shape)
            elif equation.primitive.name == "reduce_sum":
                count += prod(equation.invars[0].aval.shape)
    return count


@pytest.mark.parametrize(
    "name",
    [
        *("conv_net, odd", "conv_net, mean", "nested", "strided", "strided, mean", "circular", "pools"),
        *("joined", "normalised", "even filters", "patches", "attention", "attention, smaller behind"),
        *("attention before a pool", "attention, squared"),
    ],
)
def test_as_the_program_is_traced(name: str) -> None:
    network, shape = CASES[name]
    rows, cols, weights = given(network, shape)
    own = entry_flops(network, shape, "ntk")
    forward = jax.make_jaxpr(lambda r, c: block(network, "ntk", r, c))(rows, cols)
    assert 0.7 < own.forward * PAIRS / arithmetic(forward.jaxpr) < 1.15
    saved = jax.eval_shape(lambda r, c: block_saving(network, "ntk", r, c)[1], rows, cols)
    back = jax.make_jaxpr(lambda *given: pullback(network, "ntk", *given))(rows, cols, weights, saved)
    # XLA leaves out what is traced and not used: resolutions walked forward, and the linear end of a plane.
    used, _ = dce_jaxpr(back.jaxpr, [True] * len(back.jaxpr.outvars))
    assert 0.75 < own.pullback * PAIRS / arithmetic(used) < 1.5


@pytest.mark.parametrize(("network", "shape"), CASES.values(), ids=CASES)
def test_every_network_is_counted(network: Network, shape: tuple[int, int, int]) -> None:
    ntk, nngp = (entry_flops(network, shape, kind) for kind in ("ntk", "nngp"))
    assert 0 < nngp.forward <= ntk.forward
    assert ntk.pullback > ntk.forward
    assert ntk.step == ntk.forward + ntk.pullback
    assert all(isinstance(count, int | np.integer) for count in ntk)


def test_the_published_network_takes_what_the_design_says() -> None:
    # About 25 million operations an entry at 32 x 32 x 3.
    assert 18e6 < entry_flops(conv_net(3), (32, 32, 3), "ntk").forward < 27e6
