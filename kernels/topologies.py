"""Devices that need not be there: named as `v5e:2x2` or `h100:8`, described, and as their compilers know them.

With the extra `[tpu-check]` or `[gpu-check]` jax compiles for them on any machine. A process compiles for one platform,
and tells jax so before it starts: give it `environment`.
"""

import re
from importlib.util import find_spec
from math import prod
from typing import Any, NamedTuple


class Family(NamedTuple):
    """platform, device_kind: as jax names them. dims: of a slice, 1 for what is counted."""

    platform: str
    device_kind: str
    dims: int


FAMILIES = {
    "v4": Family("tpu", "TPU v4", 3),
    "v5e": Family("tpu", "TPU v5 lite", 2),
    "v5p": Family("tpu", "TPU v5", 3),
    "v6e": Family("tpu", "TPU v6 lite", 2),
    "a100": Family("gpu", "NVIDIA A100-SXM4-80GB", 1),
    "h100": Family("gpu", "NVIDIA H100 80GB HBM3", 1),
    "h200": Family("gpu", "NVIDIA H200", 1),
}
# Chips of the largest slices of the pages that `device_kinds` names.
_MOST = 8960

# What XLA is told of a GPU that is not there: its `GpuTargetConfigProto`, from the numbers of NVIDIA's data sheets.
_GPU_TARGET = """
gpu_device_info {{
  threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048
  shared_memory_per_block: 49152 shared_memory_per_core: {shared} shared_memory_per_block_optin: {optin}
  core_count: {cores} fpus_per_core: {units} clock_rate_ghz: {clock}
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: {bandwidth} l2_cache_size: {cache} device_memory_size: {memory}
  cuda_compute_capability {{ major: {major} }}
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
}}
platform_name: "CUDA"
runtime_version {{ major: 12 minor: 8 }}
dnn_version_info {{ major: 9 minor: 7 }}
device_description_str: "{name}"
"""
_HOPPER = {"shared": 233472, "optin": 232448, "cores": 132, "units": 128, "clock": 1.98, "cache": 52428800, "major": 9}
_GPUS = {
    "a100": {
        **{"shared": 167936, "optin": 166912, "cores": 108, "units": 64, "clock": 1.41, "cache": 41943040, "major": 8},
        **{"bandwidth": 2039000000000, "memory": 85100000000},
    },
    "h100": {**_HOPPER, "bandwidth": 3352320000000, "memory": 84929347584},
    "h200": {**_HOPPER, "bandwidth": 4800000000000, "memory": 150100000000},
}


class Described(NamedTuple):
    """Stands for a device where nothing is compiled: what jax would say of it."""

    platform: str
    device_kind: str


class Topology(NamedTuple):
    """name: as the user gave it. family: a key of FAMILIES. shape: of the slice."""

    name: str
    family: str
    shape: tuple[int, ...]

    @property
    def devices(self) -> int:
        """How many chips."""
        return prod(self.shape)

    @property
    def platform(self) -> str:
        """jax's name: tpu or gpu."""
        return FAMILIES[self.family].platform

    @property
    def described(self) -> tuple[Described, ...]:
        """The devices, without a compiler."""
        return (Described(*FAMILIES[self.family][:2]),) * self.devices

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a process that compiles for it: jax itself runs on CPU, and libtpu looks for no machine."""
        lookups = {"TPU_SKIP_MDS_QUERY": "1", "TPU_WORKER_HOSTNAMES": "localhost"}
        # No chip is taken, so nothing need be locked.
        lookups |= {"TPU_ACCELERATOR_TYPE": "v5litepod-4", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}
        flags = {"XLA_FLAGS": "--xla_gpu_autotune_level=0"}  # it would try kernels on the device
        return {"JAX_PLATFORMS": "cpu"} | (lookups if self.platform == "tpu" else flags)

    @property
    def missing(self) -> str | None:
        """The extra without which nothing can be compiled for it; None: it is installed."""
        if self.platform == "tpu":
            return None if find_spec("libtpu") else "tpu-check"
        plugins = find_spec("jax_plugins") and find_spec("jax_plugins.xla_cuda12")
        return None if plugins else "gpu-check"

    def compiled_for(self) -> tuple[Any, ...]:
        """Its devices as the compiler knows them, in a process with `environment`."""
        from jax.experimental import topologies

        if self.platform == "tpu":
            name = f"{self.family}:{'x'.join(map(str, self.shape))}"
            hosts = {"chips_per_host_bounds": (1, 1, 1)} if self.devices == 1 else {}
            return tuple(topologies.get_topology_desc(platform="tpu", topology_name=name, **hosts).devices)
        target = _GPU_TARGET.format(name=FAMILIES[self.family].device_kind, **_GPUS[self.family])
        found = topologies.get_topology_desc("name", "cuda", target_config=target, topology=f"1x1x{self.devices}")
        return tuple(found.devices)


def topology(name: str) -> Topology:
    """Read a name: `v5e:8x8`, `v5p:2x2x1`, `h100:8`, or `h100` for one.

    Raises:
      ValueError: it is none of these.
    """
    family, _, sizes = name.partition(":")
    dims = FAMILIES[family].dims if family in FAMILIES else 0
    shape = [int(n) for n in sizes.split("x") if re.fullmatch("[1-9][0-9]{0,3}", n)]
    if dims == 1 and not sizes:
        shape = [1]
    if not dims or len(shape) != dims or (sizes and len(sizes.split("x")) != dims) or prod(shape) > _MOST:
        examples = ", ".join(f"{each}:{'x'.join(['2'] * of.dims)}" for each, of in FAMILIES.items())
        raise ValueError(f"{name!r} is no topology; they are such as {examples}, of at most {_MOST} chips")
    return Topology(name, family, tuple(shape))
