"""Devices and memory that a run may use, as the system and its container limit them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax

from kerneldistill.errors import UserError

_UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


class _Version(NamedTuple):
    """A version of control groups: its mount, and its names for a group's limit, use and cached files."""

    mount: str
    limit: str
    used: str
    cached: str


# By the controllers in /proc/self/cgroup: version 2 names none.
_GROUPS = {
    "": _Version("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    "memory": _Version("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


@dataclass(frozen=True)
class Machine:
    """Where a run is to go.

    platform: jax's name: cpu, gpu or tpu
    devices: number of devices of one process
    memory: bytes available on one device, on CPU to all devices together; None if unknown
    """

    platform: str
    devices: int
    memory: int | None


def machine(devices: int | None = None, memory: str | None = None) -> Machine:
    """Describe this machine, or another one by its own values; start jax's backend.

    Args:
      devices: number of devices of the other machine
      memory: of one of its devices (on CPU: of all), such as `80GB` or `16 GiB`

    Raises:
      UserError: a count below 1, or a memory that is not understood.
    """
    if devices is not None and devices < 1:
        raise UserError(f"--devices is {devices}, allowed is a whole number from 1 up: set it, for example --devices 8")
    own = jax.local_devices()
    found = _parsed(memory) if memory is not None else _device_memory(own[0])
    return Machine(own[0].platform, len(own) if devices is None else devices, found)


def _parsed(text: str) -> int:
    number = text.rstrip("BKMGTi ")
    unit = text[len(number) :].strip()
    try:
        value = float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        value = 0.0
    if not 0 < value < 1e18:
        raise UserError(
            f"--memory is {text!r}, allowed is a number with {', '.join(_UNITS)}: for example --memory 80GB"
        )
    return int(value)


def _device_memory(device: jax.Device) -> int | None:
    if device.platform == "cpu":
        return host_memory()
    statistics = device.memory_stats() or {}
    return statistics.get("bytes_limit")


def host_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes available to this process: what it holds plus what the system and its control groups have left.

    Returns None where the system does not tell, as outside Linux. Tests set `root`, which holds proc and sys.
    """
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        pages = (root / "proc/self/statm").read_text(encoding="ascii").split()
    except OSError:
        return None
    free = next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)
    left = [*_left_in_groups(root), *([] if free is None else [free])]
    return min(left) + int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if left else None


def _left_in_groups(root: Path) -> list[int]:
    """Return what each control group around this process has left; pages that only cache files count as free."""
    left = []
    for line in (_text(root / "proc/self/cgroup") or "").splitlines():
        number, kinds, path = line.split(":", 2)
        version = _GROUPS.get(kinds if number != "0" else "")
        if version is None:
            continue
        mount = root / version.mount
        own = mount / path.strip("/")
        # A container sees its own group as the root, whatever its path outside.
        for folder in (own, *own.parents[: len(own.parents) - len(mount.parents)]):
            limit = _text(folder / version.limit)
            if limit is not None and limit.isdigit():
                cached = dict(entry.split() for entry in (_text(folder / "memory.stat") or "").splitlines())
                used = int(_text(folder / version.used) or 0) - int(cached.get(version.cached, 0))
                left.append(max(0, int(limit) - used))
    return left


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return None
