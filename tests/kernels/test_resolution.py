"""Every way to pass planes through a resolution: one test for all. The kernels of a TPU run in Pallas' interpreter.

There memory that nobody wrote is NaN, and two that meet in memory are told.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.pallas import tpu as pltpu

from kerneldistill.kernels.architectures import conv_net, conv_vec, myrtle, wide_resnet
from kerneldistill.kernels.batching import Tiling, tiling
from kerneldistill.kernels.blocks import block, pullback
from kerneldistill.kernels.device_kinds import CPU, KINDS
from kerneldistill.kernels.gram_matrix import gram
from kerneldistill.kernels.image_features import features
from kerneldistill.kernels.layers import Activation, Conv, GlobalAvgPool
from kerneldistill.kernels.levels import levels
from kerneldistill.kernels.network import Network
from kerneldistill.kernels.resolution.base import Side
from kerneldistill.kernels.resolution.fused import Given, Kernels, needed_bytes
from kerneldistill.kernels.resolution.passing import Passing, side_of, usable
from tests.helpers.kernels import images
from tests.helpers.networks import CASES
from tests.helpers.tolerance import FORWARD, GRADIENT, assert_close

INTERPRETED = pltpu.InterpretParams(uninitialized_memory="nan", detect_races=True)
FUSED = Passing(core_bytes=KINDS["TPU v5"].core_bytes, interpret=INTERPRETED)
PASSINGS = {"xla, planes in blocks": Passing(64), "fused": FUSED}
SMALL = {
    "pool": (conv_net(1, prepend=False), (2, 5, 1)),
    "pool of all offsets": (conv_net(1, prepend=False, global_pool=True), (2, 4, 1)),
}
LARGE = {
    "head": (conv_vec(1), (3, 2, 2)),
    "three levels": (conv_net(2), (8, 8, 3)),
    "odd": (conv_net(1), (7, 9, 2)),
    "all offsets, two levels": (conv_net(2, global_pool=True), (8, 4, 1)),
    "head of all offsets": (Network((Conv(), Activation("gelu"), GlobalAvgPool())), (3, 5, 1)),
    "pools alone": (myrtle(5, pools=1), (8, 8, 2)),
    "residual": (wide_resnet(1, groups=2).standard(5), (4, 4, 1)),
    **{name: case for name, case in CASES.items() if not case[0].fully_connected and name != "conv_vec"},
}
GOLDEN = Path(__file__).parents[1] / "golden"


def first_level(network: Network, shape: tuple[int, int, int], passing: Passing, dtype: str, pairs: int = 3) -> tuple:
    """The first level's band, and its pullback to a row: one image against `pairs`."""
    level = levels(network, *shape[:2])[0]
    arrays = iter(images(9, (*shape[:2], pairs), dtype))

    def side(count: int) -> Side:
        stds = {path: 4 + abs(next(arrays)[..., :count]) for path in level.activations}
        factors = {path: layer.factors(stds[path]) for path, layer in level.activations.items()}
        return Side(tuple(next(arrays)[..., :count] for _ in range(shape[2])), factors)

    @jax.jit
    def both(rows: Side, cols: Side) -> tuple:
        laid = passing.lay_out(level, cols)
        band, pull = jax.vjp(lambda rows: passing.propagate(level, True, rows, laid, None, reverse=True), rows)
        return band, pull(jax.tree.map(lambda k: 1 + k, band))[0]

    return both(side(1), side(pairs))


@pytest.mark.parametrize("name", SMALL)
def test_every_way_is_the_definition(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    truth = first_level(*SMALL[name], Passing(None), "float64")
    for passing in PASSINGS.values():
        found = first_level(*SMALL[name], passing, "float32")
        assert jax.tree.structure(found) == jax.tree.structure(truth)
        for each, true in zip(jax.tree.leaves(found), jax.tree.leaves(truth), strict=True):
            assert_close(each, true, FORWARD["float32"])
    assert "RACE" not in capsys.readouterr().out


def check(network: Network, shape: tuple[int, int, int]) -> None:
    """Compare kernel and gradient, of which one entry is of equal images, with those in float64."""
    network = network.sized(shape)
    x = images(3, shape)
    x[2] = x[0]
    cotangent = images(1, (3, 2), seed=1)[0]
    truth, pull = jax.vjp(lambda s: gram(network, x, s), x[:2])
    cut = Tiling(group=2, passing=FUSED)

    @jax.jit
    def both(support: jax.Array, targets: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
        own, to_images = jax.vjp(lambda s: features(network, s), support)
        others = features(network, targets)
        kernel = block(network, "ntk", own, others, cut)
        return kernel, to_images(pullback(network, "ntk", own, others, cotangent, tiling=cut))[0]

    kernel, gradient = both(*(each.astype(np.float32) for each in (x[:2], x, cotangent)))
    assert_close(kernel, truth, FORWARD["float32"])
    assert_close(gradient, pull(cotangent)[0], GRADIENT["float32"])


@pytest.mark.slow
def test_vectors_of_pairs_come_one_after_the_other() -> None:
    found, truth = (
        jax.tree.leaves(first_level(*SMALL["pool"], passing, dtype, pairs=256))
        for passing, dtype in ((FUSED, "float32"), (Passing(None), "float64"))
    )
    for each, true in zip(found, truth, strict=True):
        assert_close(each, true, FORWARD["float32"])


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_larger_ones_are_too(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    check(*LARGE[name])
    assert "RACE" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(("name", "network"), [("convnet3_prepend_16", conv_net(3)), ("myrtle5_8", myrtle(5, pools=1))])
def test_a_fused_kernel_is_that_of_neural_tangents(name: str, network: Network) -> None:
    golden = np.load(GOLDEN / f"{name}.npz")
    x1, x2 = (jnp.asarray(golden[key], jnp.float32) for key in ("x1", "x2"))
    network = network.sized(x1.shape[1:])
    cut = Tiling(group=len(x1), passing=FUSED)
    found = block(network, "ntk", features(network, x2), features(network, x1), cut)
    assert_close(found, golden["ntk"], FORWARD["float32"])


def fused_levels(network: Network, size: int, device: str, dtype: str = "float32") -> list[bool]:
    """Which levels a kernel passes on a kind of device, in a tile of 128 pairs."""
    passing = tiling(network, (size, size, 3), np.dtype(dtype), KINDS.get(device, CPU)).passing
    plan = levels(network, size, size)
    return [passing.fuses(level, side_of(level, 3 * (i == 0), 128, dtype)) for i, level in enumerate(plan)]


def test_kernels_are_chosen_where_a_core_can_hold_them() -> None:
    for device in ("TPU v5 lite", "TPU v5", "TPU v6 lite"):
        for network in (conv_net(3), conv_net(3, global_pool=True)):
            assert fused_levels(network, 32, device) == [True, True, True, False]
        assert not any(fused_levels(conv_net(3), 32, device, "float64"))
        assert fused_levels(conv_net(3, activation="tanh"), 32, device)[0] is False  # 30 factors
    assert fused_levels(conv_net(3), 32, "TPU v4") == [False, True, True, False]
    for device in ("cpu", "NVIDIA H100"):
        assert not any(fused_levels(conv_net(3), 32, device))


def test_what_a_kernel_holds_and_moves_is_counted_from_its_blocks() -> None:
    level = levels(conv_net(3), 32, 32)[0]
    rows = side_of(level, 3, 128, "float32")
    cols = jax.tree.map(lambda x: jax.ShapeDtypeStruct((46, 46, 128), x.dtype), rows)
    kernels = Kernels(level, True, Given(rows, cols, None))
    # Mosaic for v5e and v5p gives blocks and scratch so much: "Scoped allocation with size 22.33M", and 27.58M.
    assert [round(call.held / 2**20, 2) for call in (kernels.forward, kernels.pullback)] == [22.33, 27.58]
    # Seven arrays of row and columns, padded to tiles of 8 rows, and two pooled bands; in reverse the rows' gradients.
    arrays = 7 * (32 * 32 + 46 * 48) * 4
    band = 7 * 16 * 7 * 16 * 4
    assert kernels.forward.moved == 128 * (arrays + 2 * band)
    assert kernels.pullback.moved == 128 * (arrays + 4 * band + 7 * 32 * 32 * 4)
    assert kernels.pullback.held < needed_bytes(level, cols) <= usable(KINDS["TPU v5"].core_bytes)
