"""The engine: its blocks do not depend on devices, tiles or the order of images, and its pullback is the gradient."""

import ast
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from kerneldistill.kernels.architectures import fc_net
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.gram_matrix import gram
from kerneldistill.kernels.layers import Activation, AvgPool, Conv, Dense, Flatten, GlobalAvgPool
from kerneldistill.kernels.network import Network
from tests.helpers.exchanges import exchanges
from tests.helpers.kernels import allow, engine, gradient, images, jacobian, kernel
from tests.helpers.tolerance import FORWARD, GRADIENT, assert_close

NETWORK = Network((Conv(), Activation(), AvgPool(), Flatten(), Dense()))
SHAPE = (4, 5, 1)
SUPPORT, TARGETS = images(7, SHAPE, seed=1), images(13, SHAPE, seed=2)
COTANGENT = np.random.default_rng(3).standard_normal((13, 7))

ON_THREE_DEVICES = """
import os
os.environ.update(PJRT_NPROC="8", NPROC="8", JAX_PLATFORMS="cpu")
import jax
jax.config.update("jax_num_cpu_devices", 3)
jax.config.update("jax_enable_x64", True)
import sys
import numpy as np
from tests.helpers.exchanges import exchanges
from tests.helpers.kernels import engine
from tests.kernels.test_engine import NETWORK, SHAPE, found_by
kernel, gradient = found_by(engine(NETWORK, SHAPE, devices=3))
np.savez(sys.argv[1], kernel=kernel, gradient=gradient)
"""


def found_by(own: ExactEngine) -> tuple[np.ndarray, np.ndarray]:
    return kernel(own, TARGETS, SUPPORT), gradient(own, TARGETS, SUPPORT, COTANGENT)


@pytest.fixture(scope="module")
def truth() -> tuple[np.ndarray, np.ndarray]:
    """Kernel and gradient of the unsharded function, by autodiff."""

    @jax.jit
    def both(support: jax.Array) -> tuple[jax.Array, jax.Array]:
        value, back = jax.vjp(lambda support: gram(NETWORK, TARGETS, support), support)
        return value, back(COTANGENT)[0]

    return tuple(np.asarray(part) for part in both(SUPPORT))


@pytest.mark.parametrize("devices", [1, 2])
def test_ragged_blocks_on_any_devices(truth: tuple[np.ndarray, np.ndarray], devices: int) -> None:
    found = found_by(engine(NETWORK, SHAPE, devices=devices))
    assert_close(found[0], truth[0], FORWARD["float64"])
    assert_close(found[1], truth[1], GRADIENT["float64"])


def test_ragged_blocks_on_three_devices(truth: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    file = tmp_path / "found.npz"
    subprocess.run([sys.executable, "-c", ON_THREE_DEVICES, str(file)], check=True)
    found = np.load(file)
    assert_close(found["kernel"], truth[0], FORWARD["float64"])
    assert_close(found["gradient"], truth[1], GRADIENT["float64"])


@pytest.mark.parametrize("head", [Flatten(), GlobalAvgPool()])
def test_a_network_may_end_with_its_head(head: Flatten | GlobalAvgPool) -> None:
    """The NTK of its last activation leaves covariances unread: XLA's compiler of CPUs stops the process at such."""
    network = Network((Conv(), Activation(), head))
    own, few = engine(network, SHAPE), (TARGETS[:3], SUPPORT[:2])
    assert_close(kernel(own, *few), np.asarray(jax.jit(partial(gram, network))(*few)), FORWARD["float64"])

    def by_both(targets: jax.Array, support: jax.Array) -> jax.Array:
        return (gram(network, targets, support) * COTANGENT[:3, :2]).sum()

    truth = np.asarray(jax.jit(jax.grad(by_both, 1))(*few))
    assert_close(gradient(own, *few, COTANGENT[:3, :2]), truth, GRADIENT["float64"])
    by_entry = jacobian(own, *few)[1]
    assert_close(np.einsum("ts,tshwc->shwc", COTANGENT[:3, :2], by_entry), truth, GRADIENT["float64"])


def test_devices_exchange_the_gradient_by_the_pixels_and_nothing_else() -> None:
    own = engine(NETWORK, SHAPE)
    support, targets = own.support_features(SUPPORT), own.target_features(TARGETS)
    parts = own.pullback(support, targets, COTANGENT)
    programs = {
        "support_features": own._support_features.lower(SUPPORT),
        "target_features": own._target_features.lower(targets.images),
        "k_ts": own._k_ts.lower(support, targets),
        "pullback": own._pullback.lower(support, targets, np.zeros((14, 7)), parts, None),
        "k_ts_saving": own._k_ts_saving.lower(support, targets),
        "k_ts_and_jacobian": own._k_ts_and_jacobian.lower(support, targets),
        "pullback_images": own._pullback_images.lower(SUPPORT, parts),
    }
    found = {name: exchanges(lowered.compile()) for name, lowered in programs.items()}
    assert found.pop("pullback_images") == [("all-reduce", 7 * 4 * 5 * 1 * 8)]
    assert all(moved == [] for moved in found.values()), found


def test_a_pullback_is_added_onto_others_of_its_device(truth: tuple[np.ndarray, np.ndarray]) -> None:
    own = engine(NETWORK, SHAPE)
    support, parts = own.support_features(SUPPORT), None
    cotangent = COTANGENT.copy()
    for part in (slice(0, 8), slice(5, 13)):
        parts = own.pullback(support, own.target_features(TARGETS[part]), cotangent[part], parts)
        cotangent[part] = 0
    assert parts.images.shape == (2, *SUPPORT.shape)
    assert {shard.data.shape[0] for shard in parts.images.addressable_shards} == {1}
    assert_close(own.pullback_images(SUPPORT, parts), truth[1], GRADIENT["float64"])


@pytest.mark.parametrize("network", [NETWORK, fc_net(1)])
def test_what_a_block_saves_spares_the_pullback_nothing_but_time(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = engine(network, SHAPE)
    support, targets = own.support_features(SUPPORT), own.target_features(TARGETS)
    kernel, saved = own.k_ts_saving(support, targets)
    assert np.array_equal(kernel, own.k_ts(support, targets))
    kept = sum(leaf.nbytes for leaf in jax.tree.leaves(saved))
    assert kept == own.saved_bytes(len(support), len(targets))
    allow(monkeypatch, saved_bytes=kept - 1)
    again, nothing = own.k_ts_saving(support, targets)
    assert nothing is None or kept == 0
    assert np.array_equal(again, kernel)
    spared, computed = (own.pullback(support, targets, COTANGENT, saved=given) for given in (saved, None))
    assert_close(computed.images, spared.images, 1e-14)


@pytest.mark.parametrize("size", [1, 4])
def test_the_size_of_tiles_changes_nothing(
    truth: tuple[np.ndarray, np.ndarray], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, lanes=size, plane_bytes=0)
    own = engine(NETWORK, SHAPE)
    assert own.group == size
    found = found_by(own)
    assert_close(found[0], truth[0], FORWARD["float64"])
    assert_close(found[1], truth[1], GRADIENT["float64"])


def test_the_order_of_images_is_the_order_of_entries(truth: tuple[np.ndarray, np.ndarray]) -> None:
    own = engine(NETWORK, SHAPE, devices=1)
    assert_close(kernel(own, TARGETS[::-1], SUPPORT[::-1]), truth[0][::-1, ::-1], FORWARD["float64"])
    assert_close(kernel(own, SUPPORT, TARGETS[:7]), truth[0].T[:, :7], FORWARD["float64"])


def test_a_store_gives_the_features_of_the_targets_that_are_taken(truth: tuple[np.ndarray, np.ndarray]) -> None:
    own = engine(NETWORK, SHAPE)
    store = own.target_store(TARGETS)
    assert [std.shape for std in store.stds.values()] == [(13, 4, 5)]
    taken = store.take(np.array([12, 3, 3, 0]))
    assert_close(own.k_ts(own.support_features(SUPPORT), taken), truth[0][[12, 3, 3, 0]], FORWARD["float64"])


def test_chunks_fill_the_devices_and_are_even() -> None:
    own = engine(NETWORK, SHAPE)
    for targets, rows in ((1, 1), (13, 7), (1000, 10), (100_000, 1000)):
        size = own.chunk(targets, rows)
        assert size % 2 == 0
        chunks = -(-targets // size)
        assert chunks * size - targets < size
        assert own.chunk(targets, 10 * rows) <= size


def test_an_engine_is_all_devices_by_default() -> None:
    assert ExactEngine(NETWORK, "ntk", SHAPE, np.float32).devices == tuple(jax.devices())


ON_A_SQUARE = """
import os
os.environ.update(PJRT_NPROC="8", NPROC="8", JAX_PLATFORMS="cpu")
import jax
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_enable_x64", True)
import sys
import numpy as np
from kerneldistill.kernels.blocks import whole
from kerneldistill.kernels.exact_engine import ExactEngine
from tests.helpers.exchanges import exchanges
from tests.helpers.kernels import jacobian
from tests.kernels.test_engine import COTANGENT, NETWORK, SHAPE, SUPPORT, TARGETS, found_by
found = {}
for name, shards in (("one", 1), ("square", 2)):
    own = ExactEngine(NETWORK, "ntk", SHAPE, np.dtype("float64"), tuple(jax.devices()[:4 if shards > 1 else 1]), shards)
    support, targets, cotangent = SUPPORT[:6], TARGETS, COTANGENT[:, :6]
    rows, columns = own.support_features(support), own.target_features(targets)
    kernel, saved = own.k_ts_saving(rows, columns)
    parts = own.pullback(rows, columns, cotangent, own.pullback(rows, columns, cotangent), saved)
    found[name] = {
        "kernel": np.asarray(kernel)[:13],
        "k_ss": whole(np.asarray(own.half_k_ss(rows, np.arange(6)))),
        "gradient": np.asarray(own.pullback_images(support, parts)),
        "jacobian": jacobian(own, targets, support)[1],
    }
np.savez(sys.argv[1], **{f"{name} {key}": value for name, of in found.items() for key, value in of.items()})
programs = {
    "k_ts_saving": own._k_ts_saving.lower(rows, columns),
    "pullback": own._pullback.lower(rows, columns, np.zeros((14, 6)), parts, saved),
    "pullback_images": own._pullback_images.lower(support, parts),
    "half_k_ss": own._half_k_ss.lower(rows, np.arange(8)),
}
print({name: exchanges(program.compile()) for name, program in programs.items()})
print([shard.data.shape[:2] for shard in kernel.addressable_shards])
"""


def test_a_support_dealt_to_devices_gives_what_one_device_does(tmp_path: Path) -> None:
    file = tmp_path / "found.npz"
    answer = subprocess.run(
        [sys.executable, "-c", ON_A_SQUARE, str(file)], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    found = np.load(file)
    for name, tolerance in (("kernel", FORWARD), ("k_ss", FORWARD), ("gradient", GRADIENT), ("jacobian", GRADIENT)):
        assert_close(found[f"square {name}"], found[f"one {name}"], tolerance["float64"])
    exchanged = ast.literal_eval(answer[0])
    # Of three rows each; and for k_ss the other three, their pixels and deviations.
    assert exchanged.pop("pullback_images") == [("all-reduce", 3 * 4 * 5 * 8)]
    assert {name for name, _ in exchanged["half_k_ss"]} == {"all-gather"}
    assert sum(size for _, size in exchanged.pop("half_k_ss")) == 6 * (4 * 5 + 4 * 5) * 8
    assert all(moved == [] for moved in exchanged.values()), exchanged
    assert ast.literal_eval(answer[1]) == [(7, 3)] * 4


def test_a_support_that_is_not_shared_evenly_is_refused() -> None:
    with pytest.raises(ValueError, match="support_shards must divide 2 devices; got 3"):
        replace(engine(NETWORK, SHAPE), support_shards=3)
    with pytest.raises(ValueError, match="a support of 7 images is not shared evenly by 2 shards"):
        replace(engine(NETWORK, SHAPE), support_shards=2).support_features(SUPPORT)
