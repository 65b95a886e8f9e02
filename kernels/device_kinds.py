"""What the kinds of devices allow: the one place where the sizes of programs and the limits of plans are chosen by it.

A device is known by what jax calls its platform and its kind. For a kind without a row, programs get the sizes of its
platform, and plans no limits.

Sources of the limits: Google Cloud's pages "TPU v4", "TPU v5e", "TPU v5p", "TPU v6e"; NVIDIA's data sheets of A100,
H100 and H200, SXM. Nobody tells the float32 rate of a TPU's vector unit, which does all the work of a convolutional
kernel: it is cores x 8 x 128 lanes x 4 operations a cycle ("How to Scale Your Model", chapter 2), and the cycle is that
at which the matrix units have the published bfloat16 rate. The memory beside a core is that of jax's `tpu_info.py`.
"""

from typing import NamedTuple, Protocol


class Device(Protocol):
    """What is asked of a `jax.Device`."""

    platform: str
    device_kind: str


class Limits(NamedTuple):
    """What a device can do at most.

    memory: bytes
    bandwidth: bytes a second to and from its memory
    vector: float32 operations a second, elementwise
    matrix: operations a second in float32 products of the highest precision: six bfloat16 passes on a TPU
    link: bytes a second that it sends to its neighbours, all together
    """

    memory: float
    bandwidth: float
    vector: float
    matrix: float
    link: float


class DeviceKind(NamedTuple):
    """A row of the table.

    platform: jax's name, cpu, gpu or tpu
    lanes: pairs of a tile that fill a vector; no tile takes fewer
    plane_bytes: of one plane of a tile's largest resolution
    block_bytes: of one array of the blocks into which planes are cut for a gradient; None: they are not cut
    chunk_points: pixel pairs that a host waits for at a time, forward and backward
    saved_bytes: of the bands that are kept of a block for its gradient
    jacobian_bytes: of a chunk's Jacobian
    core_bytes: of the memory beside each core that kernels of ours may take; 0: all programs are XLA's
    limits: None where they are not known

    chunk_points to jacobian_bytes are each device's, on CPU of all together, which share one memory.
    """

    platform: str
    lanes: int
    plane_bytes: int
    block_bytes: int | None
    chunk_points: int
    saved_bytes: int
    jacobian_bytes: int
    core_bytes: int = 0
    limits: Limits | None = None

    def of_all(self, each: int, devices: int) -> int:
        """Of so many devices together."""
        return each if self.platform == "cpu" else each * devices


# A vector of 16; a plane in 1 MiB of cache: at 32 x 32 that is 16 pairs, which ran as fast as 8 and 12 % faster than
# 32; the wrapped planes of a global mean take 2 MiB with 16 and ran 2.6 times faster than with 8. A gradient keeps some
# twenty arrays of a block at once, which then fit a core's second cache: with the kernel 8.7 -> 7.3 ms of processor
# time an entry at 32 x 32 (on a busy machine, in alternation). A chunk takes about five seconds on two cores.
CPU = DeviceKind("cpu", 16, 1 << 20, 1 << 16, 1 << 30, 1 << 29, 1 << 28)
# A vector register is 8 x 128 numbers; a plane of 8 MiB leaves room for a dozen in the 128 MiB beside a core.
_TPU = DeviceKind("tpu", 128, 1 << 23, None, 1 << 33, 1 << 30, 1 << 29)
# A warp is 32 threads; a plane of 32 MiB stays in the second cache of an A100 or H100, and occupies all its cores.
_GPU = DeviceKind("gpu", 32, 1 << 25, None, 1 << 33, 1 << 30, 1 << 30)

_PLATFORMS = {kind.platform: kind for kind in (CPU, _TPU, _GPU)}


def _tpu(
    memory: float, bandwidth: float, bfloat16: float, units: int, side: int, cores: int, core: int, link: float
) -> DeviceKind:
    cycle = bfloat16 / (2 * units * side * side)
    limits = Limits(memory, bandwidth, cores * 8 * 128 * 4 * cycle, bfloat16 / 6, link)
    return _TPU._replace(core_bytes=core * 2**20, limits=limits)


def _gpu(memory: float, bandwidth: float, float32: float, link: float) -> DeviceKind:
    return _GPU._replace(limits=Limits(memory, bandwidth, float32, float32, link))


# By how jax's name of the kind begins; the first that does.
KINDS = {
    "TPU v4": _tpu(32 * 2**30, 1.2e12, 275e12, units=8, side=128, cores=2, core=16, link=300e9),
    "TPU v5 lite": _tpu(16e9, 819e9, 197e12, units=4, side=128, cores=1, core=128, link=200e9),
    "TPU v5": _tpu(95 * 2**30, 2.765e12, 459e12, units=8, side=128, cores=2, core=64, link=600e9),
    "TPU v6 lite": _tpu(32e9, 1.6e12, 918e12, units=2, side=256, cores=1, core=128, link=400e9),
    "NVIDIA A100": _gpu(80e9, 2.039e12, 19.5e12, link=300e9),
    "NVIDIA H100": _gpu(80e9, 3.35e12, 67e12, link=450e9),
    "NVIDIA H200": _gpu(141e9, 4.8e12, 67e12, link=450e9),
}


def kind_of(device: Device) -> DeviceKind:
    """Find the row of a device. A platform that is none of the three gets what a GPU gets."""
    named = (kind for name, kind in KINDS.items() if device.device_kind.startswith(name))
    return next(named, _PLATFORMS.get(device.platform, _GPU))
