"""The engine: its blocks do not depend on devices, tiles or the order of images, and its pullback is the gradient."""

import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from kerneldistill.kernels.architectures import fc_net
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.gram_matrix import gram
from kerneldistill.kernels.layers import Activation, AvgPool, Conv, Dense, Flatten
from kerneldistill.kernels.network import Network
from tests.helpers.exchanges import exchanges
from tests.helpers.kernels import allow, engine, gradient, images, kernel
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
