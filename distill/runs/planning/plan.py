"""The plan of a run: sizes, memory, operations and seconds; and the refusal of what cannot fit."""

from dataclasses import dataclass, replace

import pydantic

from kerneldistill.config.schema import Config
from kerneldistill.config.settings import flag
from kerneldistill.errors import UserError
from kerneldistill.runs.planning.calibration import Speed
from kerneldistill.runs.planning.dataset_size import DataSize
from kerneldistill.runs.planning.machine import Machine
from kerneldistill.runs.planning.memory import Memory, Part, memory_of
from kerneldistill.runs.planning.workload import Shape

# Measured peaks are within this factor of the prediction; what is above the limit by more cannot fit.
MARGIN = 1.25


@dataclass(frozen=True)
class Seconds:
    """How long a run takes, once its data are prepared.

    compile: of the programs of a step
    features: the standard deviations of all images
    step: an outer step
    steps: all of them
    validation: all evaluations on the validation split
    evaluation: the closing one, with its baselines
    """

    compile: float
    features: float
    step: float
    steps: float
    validation: float
    evaluation: float

    @property
    def total(self) -> float:
        return self.compile + self.features + self.steps + self.validation + self.evaluation


@dataclass(frozen=True)
class Plan:
    """What a run will take.

    machine: where it is to go
    data: sizes of the data set
    support: learned images
    resolutions: of the network, with the offsets that each needs; empty for a fully connected one
    tile: pairs of one row image and a group of columns
    chunk: targets that the host waits for at a time, on all devices
    chunks: of a step
    memory: at the peak
    flops_forward, flops_gradient: operations of a kernel entry, without and with its gradient
    entries: of a step
    validation_entries, test_entries: of all evaluations on validation, and of the closing one
    seconds: None where nothing was timed
    notes: what the plan leaves out
    """

    machine: Machine
    data: DataSize
    support: int
    resolutions: tuple[str, ...]
    tile: int
    chunk: int
    chunks: int
    memory: Memory
    flops_forward: int
    flops_gradient: int
    entries: int
    validation_entries: int
    test_entries: int
    seconds: Seconds | None
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """The plan as a JSON object, with its totals."""
        document = pydantic.TypeAdapter(Plan).dump_python(self, mode="json")
        document["memory"] |= {"host_bytes": self.memory.host, "device_bytes": self.memory.device}
        if self.seconds is not None:
            document["seconds"]["total"] = self.seconds.total
        return pydantic.TypeAdapter(dict).dump_json(document, indent=2).decode() + "\n"


def plan_of(shape: Shape, machine: Machine, speed: Speed | None = None) -> Plan:
    """The plan of a run of `shape` on `machine`, timed if its speed is known."""
    memory, notes = memory_of(shape), shape.notes
    if machine.memory is not None and memory.limited > machine.memory:
        notes = (*notes, f"it may not fit: predictions of memory are right within {MARGIN - 1:.0%}")
    return Plan(
        machine=machine,
        data=shape.size,
        support=shape.config.support.size,
        resolutions=shape.resolutions,
        tile=shape.pairs,
        chunk=shape.chunk,
        chunks=-(-shape.targets // shape.chunk),
        memory=memory,
        flops_forward=shape.flops.forward,
        flops_gradient=shape.flops.step,
        entries=shape.step_entries,
        validation_entries=shape.validation_entries,
        test_entries=shape.test_entries,
        seconds=None if speed is None else seconds_of(shape, speed),
        notes=notes,
    )


def seconds_of(shape: Shape, speed: Speed) -> Seconds:
    """How long a run of `shape` takes at a speed."""
    step = shape.step_entries * speed.gradient + shape.step_images * speed.features
    return Seconds(
        compile=speed.compile,
        features=shape.images * speed.features,
        step=step,
        steps=shape.config.optim.steps * step,
        validation=shape.validation_entries * speed.forward,
        evaluation=shape.test_entries * speed.forward,
    )


def label_solve_seconds(shape: Shape, speed: Speed) -> Seconds:
    """How long `kdistill label-solve` takes: one pass over train, without gradient, in place of the steps."""
    run = seconds_of(shape, speed)
    step = shape.rows * (shape.size.train + shape.rows) * speed.forward
    return replace(run, step=step, steps=step, validation=0.0)


def check_fits(config: Config, memory: Memory, machine: Machine) -> None:
    """Refuses what cannot fit, even where the prediction is too high by its margin.

    Raises:
      UserError: with the numbers, the part that takes most, and what makes it smaller.
    """
    if machine.memory is None or memory.limited <= MARGIN * machine.memory:
        return
    largest = max((part for part in memory.parts if part.name in REMEDIES), key=lambda part: _bytes(part, memory))
    where = "this process" if memory.shared else f"each {machine.platform} device"
    settings = (
        f"support.size {config.support.size}, optim.target_batch {config.optim.target_batch}, "
        f"kernel.dtype {config.kernel.dtype}"
    )
    raise UserError(
        f"{where} would need about {gigabytes(memory.limited)} of memory, and can have {gigabytes(machine.memory)}; "
        f"{gigabytes(_bytes(largest, memory))} of it for {largest.name} ({settings}): {REMEDIES[largest.name]}, or run "
        "it where there is more (kdistill plan says what, with --memory and --devices)"
    )


_TILE = (
    f"use {flag('kernel.dtype')} float32, a network of less depth, pooled early or with flatten instead of the global "
    "mean, or smaller images"
)
# What makes each part smaller.
REMEDIES = {
    "preparation": f"set a smaller {flag('data.batch-size')}, or {flag('data.zca-block')} 16 for large images",
    "images": f"take a part of the training images, such as {flag('data.train-split')} 'train[:50%]', or smaller ones",
    "deviations and labels": f"take a part of the training images, such as {flag('data.train-split')} 'train[:50%]'",
    "chunk of targets": f"set a smaller {flag('support.size')} or use fewer devices",
    "kernel blocks": f"set a smaller {flag('support.size')}",
    "bands kept for the gradient": f"set a smaller {flag('support.size')} or {flag('kernel.dtype')} float32",
    "support": f"set a smaller {flag('support.size')}",
    "tile": _TILE,
    "tiles forward": _TILE,
    "tiles backward": _TILE,
}


def _bytes(part: Part, memory: Memory) -> int:
    return part.host + memory.devices * part.device if memory.shared else part.device


def gigabytes(count: int) -> str:
    """Bytes for a person: `431 MB`, `1.23 GB`."""
    return f"{count / 1e6:.0f} MB" if count < 999_500_000 else f"{count / 1e9:.2f} GB"
