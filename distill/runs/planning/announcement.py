"""What a run will take, told before it begins, with what takes less where that is long, and a question.

The speed is that which was measured on this machine before, or a few seconds are spent on measuring it. What is counted
to take less than a minute is not worth that.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import Config
from kerneldistill.config.settings import flag
from kerneldistill.errors import UserError
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning.calibration import Speed
from kerneldistill.runs.planning.known_speeds import speed_of
from kerneldistill.runs.planning.levels import workloads_of
from kerneldistill.runs.planning.machine import machine
from kerneldistill.runs.planning.plan import Seconds, label_solve_seconds, seconds_of
from kerneldistill.runs.planning.workload import Workload
from kerneldistill.runtime.console import duration, roughly, tell

Method = Literal["run", "distill", "label-solve"]
# How long a run, or one with its settings, takes at a speed.
Measure = Callable[[Workload, Speed], Seconds]

# Seconds from which on a terminal is asked, and something cheaper is named.
LONG = 3600.0
# Seconds below which nothing is measured.
SHORT = 60.0
# Operations a second of a device, to tell that: a CPU core reached 10e9 with the ConvNets of the presets.
_RATES = {"cpu": 5e9, "gpu": 5e11, "tpu": 5e11}
# Targets of a step that are enough to begin with.
_FEW_TARGETS = 200


class Cost(NamedTuple):
    """What is left of a run to do, but for compiling, which the measurement did.

    seconds: in all
    step: of them a step, of the last one where they grow
    """

    seconds: float
    step: float


def announce(config: Config, rundir: RunDir, method: Method, processes: int, confirm: Callable[[str], bool]) -> None:
    """Tell what a run will take; ask whether to begin one that takes more than an hour.

    Args:
      config: of the run
      rundir: where it is; one that has begun is not asked about
      method: what is done there
      processes: that share the work
      confirm: asks a question

    Raises:
      UserError: the answer is no; or the images or classes do not suit the configuration.
      DataError: the data cannot be found.
    """
    works = workloads_of(config, rundir, machine().devices)
    if _counted(works, method) / processes < SHORT:
        tell("about a minute on this machine, or less")
        return
    speeds = [speed_of(work) for work in works]
    cost = _cost(works, speeds, method, rundir, processes)
    is_long = cost.seconds > LONG and not rundir.has_begun
    tell(in_words(cost, method, cheaper(works[-1], speeds[-1], method, processes, cost) if is_long else []))
    if is_long and not confirm("begin?"):
        raise UserError("nothing was begun, as you answered; with --yes there is no question")


def in_words(cost: Cost, method: Method, cheaper: list[str]) -> str:
    """Write the cost in one line."""
    step = f": {duration(cost.step)} a step" if method != "label-solve" else ""
    return "; ".join([f"about {roughly(cost.seconds)} on this machine{step}", *cheaper])


def cheaper(work: Workload, speed: Speed, method: Method, processes: int, cost: Cost) -> list[str]:
    """Name a setting that makes a run cheaper, with what it spares, and a preset of its data that takes minutes."""
    config, found = work.config, []
    if method == "label-solve":
        if config.data.train_split.isidentifier():
            found.append(f"{flag('data.train_split')} '{config.data.train_split}[:10%]' is a tenth of it")
    elif work.targets > _FEW_TARGETS:
        few = replace(config.optim, target_batch=_FEW_TARGETS, growth=replace(config.optim.growth, name="constant"))
        other = seconds_of(replace(work, config=replace(config, optim=few)), speed)
        spared = (seconds_of(work, speed).steps - other.steps) / processes
        if spared > 0.1 * cost.seconds:
            growth = f" {flag('optim.growth.name')} constant" if config.optim.growth.name != "constant" else ""
            found.append(f"{flag('optim.target_batch')} {_FEW_TARGETS}{growth} is {roughly(spared)} less")
    quick = (name for name in PRESETS if name.endswith("-quick") and PRESETS[name].data.name == config.data.name)
    return found + [f"preset {name} takes minutes" for name in quick]


def _counted(works: list[Workload], method: Method) -> float:
    """Seconds by a count of operations; too many rather than too few."""
    rate = _RATES.get(works[-1].engine.devices[0].platform, 5e11) * len(works[-1].engine.devices)
    total = 0.0
    for work in works:
        if method == "label-solve":
            steps = work.label_entries * work.flops.forward
        else:
            steps = work.flops.step * sum(count * work.entries_of(targets) for targets, count in work.batches.items())
        total += steps + work.flops.forward * (work.images + work.validation_entries)
    return (total + works[-1].flops.forward * works[-1].test_entries) / rate


def _cost(works: list[Workload], speeds: list[Speed], method: Method, rundir: RunDir, processes: int) -> Cost:
    """What is left to do: all of it, less the steps that are saved."""
    measure: Measure = label_solve_seconds if method == "label-solve" else seconds_of
    each = [measure(work, speed) for work, speed in zip(works, speeds, strict=True)]
    total, place = each[-1].evaluation if method != "distill" else 0.0, rundir
    for work, seconds in zip(reversed(works), reversed(each), strict=True):
        done = _steps_saved(place) / max(1, work.config.optim.steps)
        total += seconds.features + seconds.refit + (1 - done) * (seconds.steps + seconds.validation)
        if place.start_file.exists():  # what the levels before have learned is at hand
            break
        place = place.coarse
    return Cost(total / processes, each[-1].step / processes)


def _steps_saved(rundir: RunDir) -> int:
    folder = rundir.checkpoints
    there = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return max((int(name) for name in there if name.isdecimal()), default=0)
