"""Plan a run: sizes, memory, operations and seconds; and refuse what cannot fit."""

from dataclasses import dataclass, replace

import pydantic

from kerneldistill.config.kernel_names import kernel_name
from kerneldistill.config.schema import Config
from kerneldistill.config.settings import flag
from kerneldistill.errors import UserError
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning.calibration import Speed
from kerneldistill.runs.planning.dataset_size import DataSize
from kerneldistill.runs.planning.feature_workload import FeatureWorkload
from kerneldistill.runs.planning.levels import workloads_of
from kerneldistill.runs.planning.machine import Machine, machine
from kerneldistill.runs.planning.memory import Memory, Part, memory_of
from kerneldistill.runs.planning.precedent import Milestone, precedent_for
from kerneldistill.runs.planning.roofline import Roofline
from kerneldistill.runs.planning.workload import Workload
from kerneldistill.runtime.console import duration
from kerneldistill.runtime.text import gigabytes

# Measured peaks are within this factor of the prediction; what is above the limit by more cannot fit.
MARGIN = 1.25


@dataclass(frozen=True)
class Seconds:
    """How long a run takes, once its data are prepared.

    compile: of the programs of a step
    features: the standard deviations of all images
    refit: fitting the labels of a set that was learned at another level
    step: an outer step, of the last one where they grow
    solve: of it the linear algebra of a second-order step; 0 for other steps
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
    refit: float = 0.0
    solve: float = 0.0

    @property
    def learning(self) -> float:
        return self.compile + self.features + self.refit + self.steps + self.validation

    @property
    def total(self) -> float:
        return self.learning + self.evaluation


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
    precedent: data and devices of a committed record of the same settings; "" if there is none
    reached: what it reached, and when
    kernel: name of the kernel
    steps: outer steps
    coarse: of the level before; None where there is none
    roofline: bounds on devices that are not there; None for this machine
    shards: parts that the support is dealt in
    features: of an image, where the kernel is made of them and an entry is an image encoded; None for entries
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
    precedent: str
    reached: tuple[Milestone, ...]
    kernel: str
    steps: int
    coarse: "Plan | None" = None
    roofline: Roofline | None = None
    shards: int = 1
    features: int | None = None

    @property
    def levels(self) -> "tuple[Plan, ...]":
        """The plans of the levels before, the coarsest first."""
        return () if self.coarse is None else (*self.coarse.levels, self.coarse)

    @property
    def total(self) -> float | None:
        """Seconds of the run with all its levels, of which the last alone is tested; None where nothing was timed."""
        before = [level.seconds.learning for level in self.levels if level.seconds is not None]
        return None if self.seconds is None else sum(before) + self.seconds.total

    def to_json(self) -> str:
        """Return the plan as a JSON object, with its totals."""
        document = pydantic.TypeAdapter(Plan).dump_python(self, mode="json")
        document["memory"] |= {"host_bytes": self.memory.host, "device_bytes": self.memory.device}
        if self.seconds is not None:
            document["seconds"]["total"] = self.seconds.total
            document["seconds"]["total_with_levels"] = self.total
        return pydantic.TypeAdapter(dict).dump_json(document, indent=2).decode() + "\n"


def plan_of(work: Workload, machine: Machine, speed: Speed | None = None, coarse: Plan | None = None) -> Plan:
    """Return the plan of `work` on `machine`, timed if its speed is known; `coarse` is that of the level before."""
    memory, notes, precedent = memory_of(work), (*work.notes, *_compared(work, speed)), precedent_for(work.config)
    seconds = None if speed is None else seconds_of(work, speed)
    if machine.memory is not None and memory.limited > machine.memory:
        notes = (*notes, f"it may not fit: predictions of memory are right within {MARGIN - 1:.0%}")
    return Plan(
        machine=machine,
        data=work.size,
        support=work.config.support.size,
        resolutions=work.resolutions,
        tile=work.pairs,
        chunk=work.chunk,
        chunks=-(-work.targets // work.chunk),
        memory=memory,
        flops_forward=work.flops.forward,
        flops_gradient=work.flops.step,
        entries=work.step_entries,
        validation_entries=work.validation_entries,
        test_entries=work.test_entries,
        seconds=seconds,
        notes=notes,
        precedent=precedent.where if precedent else "",
        reached=precedent.milestones(_seconds_per_entry(work, seconds, coarse)) if precedent else (),
        kernel=kernel_name(work.config.kernel),
        steps=work.config.optim.steps,
        coarse=coarse,
        shards=work.config.support.shards,
        features=work.features if isinstance(work, FeatureWorkload) else None,
    )


def seconds_of(work: Workload, speed: Speed) -> Seconds:
    """Return how long `work` takes at a speed."""
    estimate = speed.random_features

    def step_to(targets: int) -> float:
        if estimate is not None:
            return estimate.step(work.rows, targets)
        return work.entries_of(targets) * speed.gradient + work.images_of(targets) * speed.features

    solve = speed.solve * work.passed.astype(float)
    last = float(solve[-1]) if len(solve) else 0.0
    return Seconds(
        compile=work.programs * speed.compile,
        features=work.images * speed.features,
        step=step_to(work.targets) + last,
        steps=sum(count * step_to(targets) for targets, count in work.batches.items()) + float(solve.sum()),
        validation=_validation(work, speed),
        evaluation=work.test_entries * speed.forward,
        refit=work.refit_entries * speed.forward,
        solve=last,
    )


def _seconds_per_entry(work: Workload, seconds: Seconds | None, coarse: Plan | None) -> float | None:
    """The time of an entry in the steps of the last level that takes any; None where it is not measured."""
    if not work.config.optim.steps and coarse is not None:
        taking = next((level for level in (coarse, *reversed(coarse.levels)) if level.steps), coarse)
        return taking.seconds and taking.seconds.step / taking.entries
    return seconds and seconds.step / work.step_entries


def _validation(work: Workload, speed: Speed) -> float:
    """Seconds of all evaluations on the validation split."""
    config, estimate = work.config, speed.random_features
    if estimate is None:
        return work.validation_entries * speed.forward
    judges = config.random_features.judges / config.random_features.networks
    return work.validations * estimate.score(work.rows, work.size.validation, judges)


def _compared(work: Workload, speed: Speed | None) -> tuple[str, ...]:
    """What a step by random features costs beside one by the exact kernel, where the former are asked for."""
    features = work.config.random_features
    if not features.networks:
        return ()
    if speed is None or speed.random_features is None:
        return ("the steps estimate the kernel by random features; entries and operations are those of the exact one",)
    own, exact = speed.random_features.step(work.rows, work.targets), work.step_entries * speed.gradient
    least = speed.random_features.break_even(speed.gradient, work.targets)
    below = "whatever the images" if least is None else f"below {least:,} images"
    return (
        f"a step's random features take {duration(own)}, the exact kernel would take {duration(exact)}; it is the "
        f"cheaper one {below} at {work.targets:,} targets; entries and operations above are the exact kernel's",
    )


def label_solve_seconds(work: Workload, speed: Speed) -> Seconds:
    """Return how long `kdistill label-solve` takes: one pass over train, without gradient, instead of the steps.

    The closing evaluation has one kernel for the solved labels and those that the images began with.
    """
    run = seconds_of(work, speed)
    step = work.label_entries * speed.forward
    evaluation = run.evaluation - work.start_entries * speed.forward
    return replace(run, step=step, steps=step, validation=0.0, solve=0.0, evaluation=evaluation)


def check_memory(config: Config, rundir: RunDir) -> None:
    """Refuse a run that this machine has not the memory for; start jax's backend and compile nothing.

    Raises:
      UserError: with the numbers and a remedy; or the images or classes do not suit the configuration.
      DataError: the data cannot be found.
    """
    here = machine()
    (*_, work) = workloads_of(config, rundir, here.devices)
    check_fits(config, memory_of(work), here)


def check_fits(config: Config, memory: Memory, machine: Machine) -> None:
    """Refuse what cannot fit even if the prediction is too high by `MARGIN`.

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
    smaller = f"use {flag('kernel.dtype')} float32, or " if config.kernel.dtype == "float64" else ""
    raise UserError(
        f"{where} would need about {gigabytes(memory.limited)} of memory, and can have {gigabytes(machine.memory)}; "
        f"{gigabytes(_bytes(largest, memory))} of it for {largest.name} ({settings}): "
        f"{smaller}{REMEDIES[largest.name]}, or run it where there is more (kdistill plan says what, with --memory and "
        "--devices)"
    )


_TILE = "use a network of less depth, pooled early or with flatten instead of the global mean, or smaller images"
# What makes each part smaller.
REMEDIES = {
    "preparation": f"set a smaller {flag('data.batch-size')}, or {flag('data.zca-block')} 16 for large images",
    "images": f"take a part of the training images, such as {flag('data.train-split')} 'train[:50%]', or smaller ones",
    "deviations and labels": f"take a part of the training images, such as {flag('data.train-split')} 'train[:50%]'",
    "chunk of targets": f"set a smaller {flag('support.size')} or use fewer devices",
    "kernel blocks": f"set a smaller {flag('support.size')}",
    "bands kept for the gradient": f"set a smaller {flag('support.size')}",
    "Jacobians of a chunk": f"set a smaller {flag('support.size')} or use fewer devices",
    "random features": f"set a smaller {flag('support.size')}, or {flag('random_features.networks')} and "
    f"{flag('random_features.width')}",
    "kept Jacobians": f"set a smaller {flag('optim.gauss_newton.memory')}, or {flag('optim.target_batch')}",
    "support": f"set a smaller {flag('support.size')}",
    "encoder": "take smaller images, or an encoder with fewer or narrower layers",
    "tile": _TILE,
    "tiles forward": _TILE,
    "tiles backward": _TILE,
}


def _bytes(part: Part, memory: Memory) -> int:
    return part.host + memory.devices * part.device if memory.shared else part.device
