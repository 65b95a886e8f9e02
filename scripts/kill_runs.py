"""Kill `kdistill distill` at random moments, restart it until it is done, and compare what it left.

    python -m scripts.kill_runs FOLDER [--kills 50] [--signal KILL] [-- PRESET FLAGS]

First a run is left alone. Then runs of the same configuration are killed, at moments drawn from the time that the first
took to distil and from the steps ahead, and started again until they are done: their results, bundle, metrics (without
times), newest checkpoint and best must be those of the first, bit for bit. With --signal TERM every stopped run must
exit with status 75, and the longest time from the signal to the exit is told.

    python -m scripts.kill_runs FOLDER --signal TERM --kills 20 --no-alone --between 30 90 -- cifar10-convnet-1 ...

stops one long run again and again, at any time `--between` so many seconds after its start, and compares nothing.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from orbax.checkpoint import v1 as ocp
from tyro.conf import Positional

from kerneldistill.cli import main as cli
from kerneldistill.cli import run as commands  # noqa: F401  # likewise
from kerneldistill.cli.invocation import of_program
from kerneldistill.pipeline.storage.files import names_below, sha256
from kerneldistill.runs import fork, stages  # noqa: F401  # imported once, here, instead of in each child
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.training.metrics import TIMING, MetricsLog

# A small run whose steps are most of its time.
SMALL = ["digits", "--kernel.network", "fc", "--kernel.depth", "1", "--support.learn-labels"]
SMALL += ["--optim.steps", "150", "--optim.target-batch", "200"]
SMALL += ["--evaluate.every", "5", "--evaluate.baseline-draws", "1"]

# Leaves of a state that measure the machine.
CLOCKS = (".elapsed", ".processor")

# Within so many steps a run is killed, if not at any time.
STEPS = 40


@dataclass(frozen=True)
class Plan:
    """What is done."""

    # Where the runs are; made.
    folder: Annotated[Path, Positional]
    # Runs that are killed, in all.
    kills: int = 50
    # KILL or TERM.
    signal: str = "KILL"
    # Leave one run alone first, and compare.
    alone: bool = True
    # Seconds after its start between which a run is killed. Default: from 0 to what the run left alone took.
    between: tuple[float, float] | None = None
    # Of the moments.
    seed: int = 0


def main(args: list[str]) -> int:
    """Run the program; return 1 if something differs or exits with an unexpected status."""
    cut = args.index("--") if "--" in args else len(args)
    plan = of_program(Plan, __doc__ or "", args[:cut])
    flags = args[cut + 1 :] or SMALL
    plan.folder.mkdir(parents=True, exist_ok=True)
    # Compiled programs are kept between the runs, small ones too.
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ.setdefault("KERNELDISTILL_CACHE", str(plan.folder / "cache"))
    os.environ["KERNELDISTILL_PREPARED"] = ""  # a run is killed while its own data are prepared
    whole, moments = RunDir(plan.folder / "alone"), plan.between
    if plan.alone:
        _finish(whole, flags)
        timed = _fresh(plan.folder / "timed", whole)  # with its programs compiled
        began = time.monotonic()
        _finish(timed, flags, "distill")
        moments = plan.between or (0.0, time.monotonic() - began)
        print(f"left alone: {time.monotonic() - began:.1f} s to distil", flush=True)
    return 0 if _kill(plan, whole, flags, moments or (0.0, 60.0)) else 1


def _kill(plan: Plan, whole: RunDir, flags: list[str], moments: tuple[float, float]) -> bool:
    rng, kills, good, runs, slowest = random.Random(plan.seed), 0, True, 0, 0.0
    expected = {"KILL": -signal.SIGKILL, "TERM": cli.INTERRUPTED}[plan.signal]
    broken = _fresh(plan.folder / "run-0", whole)
    while kills < plan.kills:
        child = start(broken.path, flags, "distill")
        _wait(child, broken, rng, moments) if plan.alone else time.sleep(rng.uniform(*moments))
        sent = time.monotonic()
        os.kill(child, signal.Signals[f"SIG{plan.signal}"])
        status = status_of(child)
        took = time.monotonic() - sent
        if status == expected:
            kills, slowest = kills + 1, max(slowest, took)
            print(f"kill {kills}: run {runs}, {_last_step(broken)} steps recorded, gone in {took:.2f} s", flush=True)
        elif status == 0 and plan.alone:  # it came through: the next one
            _finish(broken, flags)
            good &= _same(broken, whole)
            runs += 1
            broken = _fresh(plan.folder / f"run-{runs}", whole)
        else:
            print(f"WRONG: ended with status {status}, not {expected}; see {broken.path}.log", flush=True)
            return False
    if plan.alone:
        _finish(broken, flags)
        good &= _same(broken, whole)
    told = f"{kills} x SIG{plan.signal} in {runs + 1} runs: " + ("all as it should be" if good else "WRONG, see above")
    print(f"{told}; from signal to exit {slowest:.2f} s at most", flush=True)
    return good


def _wait(child: int, broken: RunDir, rng: random.Random, moments: tuple[float, float]) -> None:
    """Until a moment for a kill: one in four at any time, the others while steps are done, whatever came before."""
    anywhere, until, records = rng.random() < 0.25, rng.uniform(*moments), _size(broken) + rng.randrange(1, STEPS)
    if anywhere:
        time.sleep(until)
        return
    while _size(broken) < records and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.2))


def _size(rundir: RunDir) -> int:
    """Return the records of metrics."""
    return rundir.metrics_file.read_bytes().count(b"\n") if rundir.metrics_file.exists() else 0


def start(folder: Path, flags: list[str], command: str) -> int:
    """The process of a command in a run directory; jax's backend starts in each."""
    child = os.fork()
    if child == 0:
        # A run that is killed often tells little that matters; what it says goes beside it.
        log = os.open(folder.parent / f"{folder.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os._exit(cli.main([command, *flags, "--dir", str(folder)]))
    return child


def status_of(child: int) -> int:
    """Of a process, when it has ended: its exit status, or the negative number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def facts(rundir: RunDir) -> dict[str, object]:
    """What must not depend on kills, by name."""
    records = MetricsLog(rundir.metrics_file).read()
    found: dict[str, object] = {
        "metrics": [{name: record[name] for name in record.keys() - TIMING} for record in records],
        "outcome": sha256(rundir.outcome_file),
        "results": json.loads(rundir.results_file.read_bytes()) if rundir.results_file.exists() else None,
        "bundle": {name: sha256(rundir.bundle / name) for name in sorted(names_below(rundir.bundle))},
    }
    for name, folder in {"checkpoint": rundir.checkpoints, "best": rundir.best}.items():
        newest = max((entry for entry in folder.iterdir() if entry.name.isdecimal()), key=lambda entry: int(entry.name))
        leaves = dict(ocp.load(str(newest)))
        found[name] = {leaf: np.asarray(value).tobytes() for leaf, value in leaves.items() if leaf not in CLOCKS}
        found[f"{name} step"] = newest.name
    return found


def _same(broken: RunDir, whole: RunDir) -> bool:
    child = os.fork()  # reading checkpoints starts threads, which no later child would survive
    if child == 0:
        left, right = facts(broken), facts(whole)
        differ = [name for name in left if left[name] != right[name]]
        print(f"{broken.path.name}: " + (f"DIFFERS in {', '.join(differ)}" if differ else "bit-identical"), flush=True)
        os._exit(bool(differ))
    return status_of(child) == 0


def _finish(rundir: RunDir, flags: list[str], command: str = "run") -> None:
    if status := status_of(start(rundir.path, flags, command)):
        raise SystemExit(f"{command}, left alone, ended with status {status}; see {rundir.path}.log")


def _fresh(folder: Path, whole: RunDir) -> RunDir:
    """A run directory with nothing but the prepared data, which are as they are after any kill (tests/pipeline)."""
    if whole.prepared.exists() and not folder.exists():
        folder.mkdir()
        shutil.copy(whole.config_file, folder)
        shutil.copytree(whole.prepared, folder / "prepared")
    return RunDir(folder)


def _last_step(rundir: RunDir) -> int:
    records = MetricsLog(rundir.metrics_file).read()
    return int(records[-1]["step"]) if records else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
