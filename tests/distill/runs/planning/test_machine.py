"""Memory that can be had, from what the system says, and another machine's."""

import os
from pathlib import Path

import pytest

from kerneldistill.errors import UserError
from kerneldistill.runs.planning.machine import host_memory, machine

PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A root folder of a system with 8 MB free, on which this process holds 3 pages, without control groups."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable: 8000 kB\n")
    (tmp_path / "proc/self/statm").write_text("100 3 2 1 0 1 0\n")
    return tmp_path


def write_group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def test_what_the_system_has_left_and_this_process_holds(system: Path) -> None:
    assert host_memory(system) == 8_192_000 + 3 * PAGE


def test_the_smallest_group_around_the_process_counts_without_its_cached_files(system: Path) -> None:
    (system / "proc/self/cgroup").write_text("0::/jobs/mine\n")
    mount = system / "sys/fs/cgroup"
    write_group(mount / "jobs/mine", memory__max="max", memory__current=1)
    write_group(
        mount / "jobs", memory__max=5_000_000, memory__current=1_000_000, memory__stat="anon 7\ninactive_file 300000"
    )
    write_group(mount, memory__max=6_000_000, memory__current=0)
    assert host_memory(system) == 4_300_000 + 3 * PAGE


def test_a_container_whose_group_has_another_path_inside(system: Path) -> None:
    (system / "proc/self/cgroup").write_text("5:cpu:/x\n4:memory:/outside/name\n0::/\n")
    write_group(
        system / "sys/fs/cgroup/memory",
        memory__limit_in_bytes=2_000_000,
        memory__usage_in_bytes=500_000,
        memory__stat="total_inactive_file 100000",
    )
    assert host_memory(system) == 1_600_000 + 3 * PAGE


def test_a_group_that_is_full_leaves_nothing(system: Path) -> None:
    (system / "proc/self/cgroup").write_text("0::/\n")
    write_group(system / "sys/fs/cgroup", memory__max=1000, memory__current=2000)
    assert host_memory(system) == 3 * PAGE


def test_a_system_that_does_not_say(tmp_path: Path) -> None:
    assert host_memory(tmp_path) is None


def test_this_machine() -> None:
    own = machine()
    assert (own.platform, own.devices) == ("cpu", 2)
    assert own.memory is None or own.memory > 10**8


@pytest.mark.parametrize(("text", "bytes_"), [("80GB", 80 * 10**9), ("1.5 GiB", 3 * 2**29), ("700MB", 7 * 10**8)])
def test_another_machine(text: str, bytes_: int) -> None:
    assert machine(8, text).memory == bytes_
    assert machine(8, text).devices == 8


@pytest.mark.parametrize("text", ["80", "lots", "-1GB", "0GB", "GB", "nanGB", "1e30TB", "8 XB"])
def test_a_memory_that_is_not_understood(text: str) -> None:
    with pytest.raises(UserError, match=r"--memory is .*allowed is a number with KB, MB"):
        machine(memory=text)


def test_no_devices() -> None:
    with pytest.raises(UserError, match="--devices is 0, allowed is a whole number from 1 up"):
        machine(0)
