"""How fast a run could be on devices that are not there: a range, from what is counted and what the devices can do.

The fastest step has every operation at the vector unit's rate (a fully connected network's at that of the matrix unit)
and moves only the bands that are kept for the gradient. The slowest moves what the compiler leaves between fusions, or,
where no compiler is at hand, what goes in and out of every operation; and overlaps nothing. Either adds the all-reduce
of the pixels' gradient over a ring. The host is left out: its linear algebra, what goes to and from it, and dispatch.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

from kerneldistill.errors import UserError
from kerneldistill.kernels.device_kinds import Limits
from kerneldistill.kernels.tile_memory import deviations, saved
from kerneldistill.kernels.topologies import Topology, topology
from kerneldistill.runs.planning.compiled import Compiled, Request, compile_for
from kerneldistill.runs.planning.machine import Machine
from kerneldistill.runs.planning.memory import memory_of
from kerneldistill.runs.planning.workload import Workload

# Numbers that go to and from a device's memory for an operation that is fused with none: two come and one goes.
UNFUSED = 3
# The most chips that are tried: the largest slice there is has 8,960.
MOST_CHIPS = 8192
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Roofline:
    """What a step takes of each device, and how long.

    topology: name of the devices
    compiled: whether a compiler of them was asked; else all is by our own account
    device_bytes: memory of each device at the peak
    account_bytes: the same by our own account
    memory: bytes that a device has
    lanes: share of the lanes that a step fills
    fastest, slowest: seconds a step
    exchanged: bytes that a device sends to others in a step
    exchange: seconds of it
    wanted: seconds that all steps should take; None where none were named
    chips: that take so long, at the fastest and at the slowest; None: none do
    """

    topology: str
    compiled: bool
    device_bytes: int
    account_bytes: int
    memory: float
    lanes: float
    fastest: float
    slowest: float
    exchanged: float
    exchange: float
    wanted: float | None = None
    chips: tuple[int | None, int | None] | None = None

    @property
    def fits(self) -> bool:
        """Whether a device has the memory."""
        return self.device_bytes <= self.memory

    @property
    def share(self) -> tuple[float, float]:
        """The exchange's part of the fastest and of the slowest step."""
        return self.exchange / self.fastest, self.exchange / self.slowest


def named(name: str) -> Topology:
    """Read the name of devices that plans have limits of.

    Raises:
      UserError: there are none of this name.
    """
    try:
        return topology(name)
    except ValueError as error:
        raise UserError(f"--topology {error}: for example --topology v5e:2x2") from error


def described(there: Topology, work: Workload) -> Machine:
    """Describe a topology as a machine."""
    return Machine(there.platform, there.devices, int(limits_of(work).memory))


def limits_of(work: Workload) -> Limits:
    """Return what the devices of a planned workload can do."""
    found = work.engine.device.limits
    assert found is not None  # every family has a row
    return found


def roofline(work: Workload, there: Topology, compile: bool, wanted: float | None = None) -> Roofline:
    """Bound the steps of a workload whose engine has the devices of `there`.

    Args:
      compile: ask the compiler, where it is installed; that takes minutes
      wanted: seconds that all steps should take

    Raises:
      RuntimeError: the compiler fails.
    """
    programs = _programs(work, there) if compile and not there.missing else []
    entry, own = _entry(work, programs), memory_of(work).device
    largest = max((of.arguments + of.output + of.temporary for of in programs), default=own)
    found = replace(bounds(work, there, entry), compiled=bool(programs), device_bytes=largest)
    if wanted is None:
        return found
    return replace(found, wanted=wanted, chips=_chips(work, there, entry, wanted))


class Entry(NamedTuple):
    """Of a kernel entry with its gradient, where all lanes are filled.

    flops: operations
    moved: bytes to and from a device's memory, as the compiler leaves it
    """

    flops: float
    moved: float


def bounds(work: Workload, there: Topology, entry: Entry) -> Roofline:
    """Bound a step whose entries take so much."""
    limits, engine = limits_of(work), work.engine
    lanes = _filled(work)
    # Each device computes the features of its rows, and pulls its part back to their pixels: about an entry each.
    entries = work.step_entries / there.devices / lanes + 2 * work.rows_per_device
    arithmetic = entry.flops / (limits.matrix if engine.network.fully_connected else limits.vector)
    # The bands kept for the gradient are written and read.
    needed = 2 * engine.dtype.itemsize * saved(engine.network, engine.image_shape, engine.kind)
    exchanged = _exchanged(work)
    exchange = exchanged / limits.link
    own = memory_of(work).device
    return Roofline(
        topology=there.name,
        compiled=False,
        device_bytes=own,
        account_bytes=own,
        memory=limits.memory,
        lanes=lanes,
        fastest=entries * max(arithmetic, needed / limits.bandwidth) + exchange,
        slowest=entries * (arithmetic + max(needed, entry.moved) / limits.bandwidth) + exchange,
        exchanged=exchanged,
        exchange=exchange,
    )


def _entry(work: Workload, programs: Sequence[Compiled]) -> Entry:
    """Count by the programs of a chunk, each device's part of it, or by our own account."""
    if not programs:
        return Entry(work.flops.step, UNFUSED * work.engine.dtype.itemsize * work.flops.step)
    each = _filled(work) / (work.rows_per_device * work.per_device)
    return Entry(each * sum(of.flops for of in programs), each * sum(of.bytes for of in programs))


def seconds(text: str) -> float:
    """Read a time such as 90s, 30m, 2h or 1d.

    Raises:
      UserError: it is none.
    """
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smhd])", text)
    if found is None or not float(found[1]):
        raise UserError(f"--within is {text!r}, allowed is a time such as 90s, 30m, 2h or 1d: for example --within 1h")
    return float(found[1]) * _UNITS[found[2]]


def _programs(work: Workload, there: Topology) -> list[Compiled]:
    # A step keeps bands only where there is room; else the pullback computes them again.
    forward = "block_saving" if work.engine.saved_bytes(work.rows, work.chunk) else "block"
    names = (forward, "pullback") if work.second_order is None else ("jacobian",)
    shape, shards = work.engine.image_shape, work.engine.support_shards
    request = Request(there.name, work.config.kernel, shape, work.rows, work.chunk, names, shards=shards)
    return list(compile_for(request))


def _filled(work: Workload) -> float:
    """Return the share of the lanes that a chunk fills on each device."""
    lanes = work.engine.device.lanes
    return work.per_device / (-(-work.per_device // lanes) * lanes)


def _exchanged(work: Workload) -> float:
    """Count the bytes that a device sends: of its rows' pixels to those that have them, and for k_ss to the others."""
    engine, itemsize = work.engine, work.engine.dtype.itemsize
    pixels = prod(engine.image_shape)
    features = pixels + deviations(engine.network, engine.image_shape)
    gathered = (engine.support_shards - 1) * work.rows_per_device * features
    return itemsize * (2 * (1 - 1 / engine.target_shards) * work.rows_per_device * pixels + gathered)


def _chips(work: Workload, there: Topology, entry: Entry, wanted: float) -> tuple[int | None, int | None]:
    """Double the chips until all steps take `wanted` seconds, at the fastest and at the slowest."""
    found: list[int | None] = [None, None]
    counts = (1 << n for n in range(MOST_CHIPS.bit_length()))
    for count in (count for count in counts if count % work.engine.support_shards == 0):
        devices = Topology(there.name, there.family, (count,))
        engine = replace(work.engine, devices=devices.described)
        of = bounds(Workload(work.config, work.size, engine), devices, entry)
        for place, step in enumerate((of.fastest, of.slowest)):
            if found[place] is None and step * work.config.optim.steps <= wanted:
                found[place] = count
    return found[0], found[1]
