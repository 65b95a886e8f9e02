"""Attack the program from outside: hostile files through the command line, each in a process of its own.

    python -m scripts.attack [--trials 2000] [--minutes M] [--seed N] [--json FILE]

The seed is new each time and printed. A trial is a fork of this process, which has everything imported, with limits on
memory and time. No trial may show a traceback, be ended by a signal, take more than 60 seconds of processor time or
2 GB, write outside the folder that it was given, exit with a status that is not documented, print a control character,
or accept what it should refuse. `scripts.attacks` makes the trials.
"""

import dataclasses
import json
import os
import re
import resource
import secrets
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from kerneldistill.cli.invocation import of_program
from kerneldistill.cli.main import main
from kerneldistill.runtime.console import closing_table
from scripts.attacks.registry import CLASSES
from scripts.attacks.sources import write_sources
from scripts.attacks.trial import Originals, Trial, flax_file

SECONDS = 60
# The machine may be shared: by the clock a trial has longer.
WALL_SECONDS = 300
BYTES = 2 << 30
# Documented: done, a mistake in what was given.
STATUSES = (0, 2)
FAULTS = ("traceback", "signal", "hang", "memory", "outside", "status", "control", "accepted")
# What a command would load by itself, again in every fork.
WARM = ("cli.verify", "cli.export", "cli.import_", "cli.report", "cli.run", "cli.plan", "bundle.formats.importer")
WARM += ("bundle.formats.exporter", "report.report", "pipeline.preparation", "pipeline.job.transforms")


@dataclass(frozen=True)
class Attack:
    """How much is tried."""

    # Trials in all.
    trials: int = 2000
    # After so many minutes no trial is begun.
    minutes: float = 600.0
    # By default a new one.
    seed: int | None = None
    # Where to write what was found.
    json: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What a command did: status (negative: the signal that ended it), text, processor seconds, and peak bytes."""

    status: int
    text: str
    seconds: float
    peak: int


def run(words: list[str], folder: Path, log: Path) -> Outcome:
    """Run one command in a fork, in `folder`."""
    child = os.fork()
    if child == 0:
        _child(words, folder, log)
    began = time.monotonic()
    while True:
        pid, status, used = os.wait4(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() - began > WALL_SECONDS:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.005)
    text = log.read_bytes().decode(errors="replace")
    return Outcome(os.waitstatus_to_exitcode(status), text, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def _child(words: list[str], folder: Path, log: Path) -> None:
    """Become the command. What it maps beyond 3 GB more than now it does not get."""
    status = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.chdir(folder)
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + 3 * BYTES // 2, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        status = main(words)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 2
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def faults_of(trial: Trial, outcome: Outcome, strangers: list[str]) -> list[str]:
    """Return what a trial did that none may."""
    found = {
        "traceback": "Traceback (most recent call last)" in outcome.text,
        "signal": outcome.status < 0 and outcome.seconds < SECONDS - 1,
        "hang": outcome.seconds >= SECONDS - 1 or outcome.status == -signal.SIGKILL,
        "memory": outcome.peak > BYTES,
        "outside": bool(strangers),
        "status": outcome.status >= 0 and outcome.status not in STATUSES,
        "control": re.search(r"[\x00-\x08\x0b-\x1f\x7f\x9b\u202a-\u202e\u2066-\u2069]", outcome.text) is not None,
        "accepted": trial.must == "refuse" and outcome.status == 0,
    }
    return [name for name in FAULTS if found[name]]


def listed(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file below, but in the folder `out` of a trial."""
    found = {}
    for path in folder.rglob("*"):
        inside = path.relative_to(folder).as_posix()
        if not inside.startswith("a/b/c/out"):
            about = path.lstat()
            found[inside] = (about.st_size, about.st_mtime_ns if not path.is_dir() else 0)
    return found


def attempt(
    rng: np.random.Generator, name: str, folder: Path, originals: Originals
) -> tuple[Trial, Outcome, list[str]]:
    """Make one trial of a class in `folder`, and run it."""
    place = folder / "a" / "b" / "c"
    place.mkdir(parents=True)
    trial = CLASSES[name][0](rng, place, originals)
    before = listed(folder)
    outcome = run(trial.words, place, folder.with_suffix(".log"))
    after = listed(folder)
    return trial, outcome, faults_of(trial, outcome, [name for name in after if after[name] != before.get(name)])


def prepare_originals(folder: Path) -> Originals:
    """Make unbroken ones with the program itself."""
    folder.mkdir(parents=True)

    def done(*words: str) -> str:
        outcome = run(list(words), folder, folder / "log")
        if outcome.status:
            raise RuntimeError(f"{words} ended with {outcome.status}: {outcome.text}")
        return outcome.text

    toml = done("presets", "digits")
    (folder / "digits.toml").write_text(toml)
    done("prepare", "digits", "--data.whiten", "standard", "--out", "prepared")
    rng = np.random.default_rng(0)
    images = rng.normal(size=(10, 8, 8, 1)).astype(np.float32)
    labels = np.eye(10, dtype=np.float32) - np.float32(0.1)
    np.savez(folder / "set.npz", images=images, labels=labels)
    np.savez(folder / "other.npz", images=images[::-1], labels=labels[::-1])
    flax_file(folder / "set.msgpack", images, labels)
    kernel = ["--kernel.network", "fc", "--kernel.depth", "1"]
    done("import", "set.npz", "--out", "bundle", "--prepared", "prepared", *kernel)
    done("export", "bundle", "--to", "kip", "dc", "mtt", "hf", "imagefolder", "--out", "export", "--tests", "0")
    quick = ["--optim.steps", "2", "--evaluate.baseline-draws", "0", "--data.whiten", "standard"]
    done("run", "digits", *kernel, *quick, "--prepared", "prepared", "--dir", "run")
    write_sources(folder / "sources")
    return Originals(folder)


def attack(trials: int, seed: int, folder: Path, minutes: float) -> list[dict[str, object]]:
    """Run every trial; return a record of each: class, what, words, status, seconds, peak, faults, end of the text."""
    for module in WARM:
        import_module(f"kerneldistill.{module}")
    originals = prepare_originals(folder / "originals")
    rng = np.random.default_rng(seed)
    shares = np.array([share for _, share in CLASSES.values()], float)
    # At least one of each class.
    names = [*CLASSES, *rng.choice(list(CLASSES), max(0, trials - len(CLASSES)), p=shares / shares.sum())][:trials]
    records: list[dict[str, object]] = []
    began = time.monotonic()
    for number, name in enumerate(names):
        if time.monotonic() - began > 60 * minutes:
            break
        place = folder / f"{number:05d}"
        trial, outcome, faults = attempt(rng, str(name), place, originals)
        shutil.rmtree(place)
        record: dict[str, object] = {"class": str(name), **dataclasses.asdict(trial), **dataclasses.asdict(outcome)}
        records.append({**record, "text": outcome.text[-3000 if faults else -300 :], "faults": faults})
        if faults:
            print(f"{number} {name}: {trial.what!r}: {faults}", file=sys.stderr)
    return records


def tell(records: list[dict[str, object]]) -> None:
    """Print a table: a row a class, a column for each way to fail."""
    rows = []
    for name in CLASSES:
        own = [record for record in records if record["class"] == name]
        if own:
            faults = Counter(fault for record in own for fault in record["faults"])  # type: ignore[attr-defined]
            refused = sum(record["status"] == 2 for record in own)
            slowest, largest = (max(record[key] for record in own) for key in ("seconds", "peak"))  # type: ignore[type-var]
            rows.append([name, str(len(own)), str(refused), *(str(faults[fault]) for fault in FAULTS)])
            rows[-1] += [f"{slowest:.1f}", f"{int(str(largest)) / 1e9:.2f}"]
    total = ["all", *(str(sum(int(row[column]) for row in rows)) for column in range(1, len(FAULTS) + 3))]
    total += [max((row[column] for row in rows), key=float) for column in (-2, -1)]
    header = ("class", "trials", "refused", *FAULTS, "s", "GB")
    closing_table("what was tried, and what went wrong", header, [*rows, total])


if __name__ == "__main__":
    asked = of_program(Attack, __doc__ or "")
    chosen = secrets.randbelow(2**32) if asked.seed is None else asked.seed
    print(f"seed {chosen}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as scratch:
        done = attack(asked.trials, chosen, Path(scratch), asked.minutes)
    tell(done)
    if asked.json is not None:
        asked.json.write_text(json.dumps({"seed": chosen, "trials": done}, indent=1) + "\n")
    raise SystemExit(any(record["faults"] for record in done))
