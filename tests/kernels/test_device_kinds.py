"""The table of devices: which row an engine's programs are cut by, whatever the process's own devices are."""

from typing import NamedTuple

import numpy as np
import pytest

from kerneldistill.kernels.architectures import conv_net
from kerneldistill.kernels.batching import tiling
from kerneldistill.kernels.device_kinds import CPU, KINDS, kind_of
from kerneldistill.kernels.exact_engine import ExactEngine


class Device(NamedTuple):
    """Stands for a device that this machine has not."""

    platform: str
    device_kind: str


V5E, V5P = Device("tpu", "TPU v5 lite"), Device("tpu", "TPU v5")
H100 = Device("gpu", "NVIDIA H100 80GB HBM3")


@pytest.mark.parametrize(("device", "row"), [(V5E, "TPU v5 lite"), (V5P, "TPU v5"), (H100, "NVIDIA H100")])
def test_a_device_has_the_row_of_its_kind(device: Device, row: str) -> None:
    assert kind_of(device) is KINDS[row]


@pytest.mark.parametrize("platform", ["cpu", "gpu", "tpu"])
def test_a_kind_without_a_row_is_cut_as_its_platform(platform: str) -> None:
    found = kind_of(Device(platform, "new"))
    assert (found.platform, found.limits) == (platform, None)


@pytest.mark.parametrize(("device", "group"), [(Device("cpu", "cpu"), 16), (V5E, 128), (H100, 512)])
def test_lanes_are_those_of_the_engines_own_devices(device: Device, group: int) -> None:
    engine = ExactEngine(conv_net(3), "ntk", (32, 32, 3), np.dtype("float32"), (device,) * 2)
    assert engine.group == group
    assert engine.chunk(50_000, 10) % (2 * group) == 0


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("size", [8, 32, 64])
def test_no_tile_leaves_a_part_of_a_vector_empty(kind, size: int) -> None:
    assert tiling(conv_net(2), (size, size, 3), np.dtype("float32"), kind).group % kind.lanes == 0


def test_accelerators_have_memories_of_their_own() -> None:
    assert CPU.of_all(CPU.saved_bytes, 8) == CPU.saved_bytes
    assert KINDS["TPU v4"].of_all(2**29, 8) == 2**32


def test_vector_rates_follow_from_the_published_cycle() -> None:
    # v5e: 1.5 GHz; v5p: 1.75 GHz and two cores.
    assert KINDS["TPU v5 lite"].limits.vector == pytest.approx(4096 * 1.5e9, rel=0.01)
    assert KINDS["TPU v5"].limits.vector == pytest.approx(2 * 4096 * 1.75e9, rel=0.01)
