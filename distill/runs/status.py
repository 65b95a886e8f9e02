"""Where a run stands, read from its directory alone: without its lock, without jax, while it goes on or long after."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from kerneldistill.config.kernel_names import level_name
from kerneldistill.errors import UserError
from kerneldistill.runs.completion import Stages, stages_of
from kerneldistill.runs.directory import RunDir, is_run
from kerneldistill.runs.last_error import read_failure
from kerneldistill.runs.lock import Holder, holder
from kerneldistill.runs.training.metrics import MetricsLog, Record, best_on_validation
from kerneldistill.runtime.console import duration

# Of the newest steps, from which the time per step is taken.
RECENT = 20


@dataclass(frozen=True)
class Status:
    """Where a run stands.

    path: its directory
    state: running: a process has it. failed: an error ended it. done: its last step is taken, or its labels are solved
      for. interrupted: none of these; the same command goes on
    process, host: that has it, while it is running; the host of a process that cannot be asked ends in "?"
    step, steps: done, and in all; None before the first record, and of labels solved for
    seconds_per_step: of the newest steps
    seconds_left: at that rate; None unless steps are left
    elapsed: seconds in the loop, in all sessions
    best_step, best_accuracy: the best on validation, 0..1
    checkpoint: the newest saved step
    checkpoint_age: seconds since it was saved
    record_age: seconds since the newest record
    to_do: stages after the data are prepared that are not done, or whose files are missing or damaged
    rollbacks: faults so far, each of which raised the ridge
    error: that ended it
    level: the size of its images, where it is not that of the data, and its kernel
    coarse: the level before, in progress or done; None where there is none, or it has not begun
    """

    path: str
    state: Literal["running", "interrupted", "done", "failed"]
    process: int | None
    host: str | None
    step: int | None
    steps: int | None
    seconds_per_step: float | None
    seconds_left: float | None
    elapsed: float | None
    best_step: int | None
    best_accuracy: float | None
    checkpoint: int | None
    checkpoint_age: float | None
    record_age: float | None
    to_do: tuple[str, ...]
    rollbacks: int
    error: str | None
    level: str
    coarse: "Status | None" = None


def status_of(path: Path) -> Status:
    """Where the run in a directory stands.

    Raises:
      UserError: it is no run directory, or its configuration or its record is damaged.
    """
    rundir = RunDir(path)
    if not rundir.config_file.is_file():
        raise UserError(f"DIR is {path}, which has no config.toml: give a folder that kdistill run made")
    config, records = rundir.config(), MetricsLog(rundir.metrics_file).read()
    solved = rundir.outcome_file.exists() and not rundir.checkpoints.exists()
    steps = None if solved else config.optim.steps
    step = int(records[-1]["step"]) if records else None
    each = _seconds_per_step(records)
    known = Stages(rundir.stages_file)
    to_do = tuple(stage.name for stage in stages_of(config, rundir) if not known.is_done(stage))
    has, failure = holder(path), read_failure(rundir.failure_file)
    best = best_on_validation(records, config.evaluate.best_by)
    saved = _newest(rundir.checkpoints)
    return Status(
        path=str(path),
        state=_state(has, failure is not None, solved or "distill" not in to_do),
        process=has.pid if has else None,
        host=(has.host if has.certain else f"{has.host}?") if has else None,
        step=step,
        steps=steps,
        seconds_per_step=each,
        seconds_left=None if each is None or not steps or step == steps else each * (steps - (step or 0)),
        elapsed=records[-1].get("elapsed") if records else None,
        best_step=best.step if best else None,
        best_accuracy=best.accuracy if best else None,
        checkpoint=int(saved.name) if saved else None,
        checkpoint_age=_age(saved) if saved else None,
        record_age=_age(rundir.metrics_file) if records else None,
        to_do=tuple(name for name in to_do if not (solved and name == "distill")),
        rollbacks=int(records[-1].get("rollbacks", 0)) if records else 0,
        error=failure.error if failure else None,
        level=level_name(config),
        coarse=status_of(rundir.coarse.path) if config.coarse and is_run(rundir.coarse.path) else None,
    )


def as_text(status: Status) -> str:
    """Format a status for people: the state in the first line, indented lines below it."""
    who = f" (process {status.process} on {status.host})" if status.process else ""
    lines = [f"{status.path}: {status.state}{who}", *_before(status.coarse)]
    if status.steps is not None:
        parts = [f"{status.step or 0} of {status.steps}"]
        parts += [f"{duration(status.seconds_per_step)} a step"] if status.seconds_per_step else []
        parts += [f"{duration(status.seconds_left)} left"] if status.seconds_left else []
        parts += [f"{duration(status.elapsed)} so far"] if status.elapsed else []
        parts += [f"{status.rollbacks} rolled back"] if status.rollbacks else []
        parts += [f"last record {duration(status.record_age)} ago"] if status.record_age and status.process else []
        lines.append(f"steps       {', '.join(parts)}")
    if status.best_accuracy is not None:
        lines.append(f"validation  best {status.best_accuracy:.1%}, after step {status.best_step}")
    if status.checkpoint is not None and status.checkpoint_age is not None:
        lines.append(f"checkpoint  step {status.checkpoint}, saved {duration(status.checkpoint_age)} ago")
    if status.to_do and status.state == "done":  # of the others nobody expects it
        lines.append(f"to do       {', '.join(status.to_do)}")
    if status.error is not None:
        lines.append(f"last error  {status.error}")
    return "\n  ".join(lines)


def _before(level: Status | None) -> list[str]:
    """Format the levels before, the coarsest first, one line each."""
    if level is None:
        return []
    state = "done" if level.state == "done" else f"{level.state}, {level.step or 0} of {level.steps} steps"
    left = f", {duration(level.seconds_left)} left" if level.seconds_left else ""
    best = "" if level.best_accuracy is None else f", best {level.best_accuracy:.1%} on its validation images"
    return [*_before(level.coarse), f"level       {level.level}: {state}{left}{best}"]


def as_json(statuses: Sequence[Status]) -> str:
    """Format a list of objects with the fields of `Status`."""
    return json.dumps([asdict(status) for status in statuses], indent=2)


def _state(has: Holder | None, failed: bool, done: bool) -> Literal["running", "interrupted", "done", "failed"]:
    if has is not None:
        return "running"
    if failed:
        return "failed"
    return "done" if done else "interrupted"


def _seconds_per_step(records: Sequence[Record]) -> float | None:
    """Seconds per step with validation and all else but what a session does once, such as compiling."""
    recent = [record for record in records[-RECENT - 1 :] if "elapsed" in record]
    if len(recent) < 2:
        return None
    once = sum(record.get("once_seconds", 0.0) for record in recent[1:])
    return (recent[-1]["elapsed"] - recent[0]["elapsed"] - once) / (recent[-1]["step"] - recent[0]["step"])


def _newest(folder: Path) -> Path | None:
    there = [entry for entry in folder.iterdir() if entry.name.isdecimal()] if folder.is_dir() else []
    return max(there, key=lambda entry: int(entry.name), default=None)


def _age(path: Path) -> float:
    return max(0.0, time.time() - path.stat().st_mtime)
