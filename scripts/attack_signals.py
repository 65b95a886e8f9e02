"""Send signals at random moments to every command, and to every process of a job, and compare what is left in the end.

    python -m scripts.attack_signals FOLDER [--signals 100] [--faults 40] [--damages 500] [--seed 7] [--json FILE]

Each command is left alone first. Then it is started again and again and gets SIGINT or SIGTERM, once or several times,
at a moment drawn from the time that it took: it must be gone in 15 s with status 75 and without a traceback (before
Python has reached the program, the signal itself may end it), leave no process behind, and in the end what it made must
be that of the one left alone, byte for byte but for times.

A fault is KILL, STOP, TERM or INT to one of three processes of a job: the others must be gone in 60 s, and name it; the
job, started again, must end as one left alone. All exit with 75.

A damage is done to one file of a finished run, and `kdistill verify` must name it.
"""

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from kerneldistill.cli.invocation import of_program
from scripts.signal_attacks.commands import COMMANDS, Command, finished_run
from scripts.signal_attacks.damage import damaged
from scripts.signal_attacks.job import Job
from scripts.signal_attacks.trial import Trial


@dataclass(frozen=True)
class Plan:
    """What is done."""

    # Where the runs are; made.
    folder: Annotated[Path, Positional]
    # Signals to commands, in all.
    signals: int = 100
    # Faults of processes, in all.
    faults: int = 40
    # Damages to a finished run, in all.
    damages: int = 500
    # Commands, joined by commas.
    commands: str = ",".join(COMMANDS)
    # Of all moments and choices. Default: the clock.
    seed: int | None = None
    # Where the trials are written. Default: trials.json in the folder.
    json: Path | None = None


def main(args: list[str]) -> int:
    """Run the program; return 1 if a trial failed."""
    plan = of_program(Plan, __doc__ or "", args)
    seed = time.time_ns() % 10**6 if plan.seed is None else plan.seed
    print(f"seed {seed}", flush=True)
    folder = plan.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    trials: list[Trial] = []
    for trial in _trials(plan, folder, random.Random(seed)):
        trials.append(trial)
        print(f"{len(trials)}: {trial}", flush=True)
        report = {"seed": seed, "trials": [each.as_json() for each in trials]}
        (plan.json or folder / "trials.json").write_text(json.dumps(report, indent=1) + "\n")
    _table(trials)
    return int(any(trial.wrong for trial in trials))


def _trials(plan: Plan, folder: Path, rng: random.Random) -> Iterator[Trial]:
    names = plan.commands.split(",")
    commands: list[Command] = [COMMANDS[name](folder / name) for name in names] if plan.signals else []
    for command in commands:
        command.leave_alone()
        print(f"{command.name}, left alone: {command.seconds:.1f} s", flush=True)
    for number in range(plan.signals):
        yield commands[number % len(commands)].signalled(rng)
    for command in commands:
        yield from command.ended()
    if plan.faults:
        job = Job(folder / "job")
        job.leave_alone()
        print(f"job of {job.count}, left alone: {job.seconds:.1f} s", flush=True)
        for number in range(plan.faults):
            yield job.hurt(rng, number)
        yield from job.ended()
    if plan.damages:
        for _ in range(plan.damages):
            yield damaged(finished_run(folder), folder / "damaged", rng)


def _table(trials: list[Trial]) -> None:
    """A line for each kind of trial, and one for each that failed."""
    for what in dict.fromkeys(trial.what for trial in trials):
        same = [trial for trial in trials if trial.what == what]
        ends = ", ".join(f"{count} x {end}" for end, count in Counter(trial.end for trial in same).most_common())
        wrong = sum(bool(trial.wrong) for trial in same)
        slowest = max(trial.seconds for trial in same)
        print(f"{what:28} {len(same):4} trials  {wrong} wrong  {slowest:5.1f} s at most  {ends}")
    for trial in trials:
        if trial.wrong:
            print(f"WRONG {trial}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
