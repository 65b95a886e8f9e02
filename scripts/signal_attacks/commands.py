"""The commands that get signals: how each is called, and what it must leave."""

import json
import random
import re
import shutil
import signal
import time
from abc import abstractmethod
from pathlib import Path

from kerneldistill.pipeline.storage.files import names_below, sha256
from kerneldistill.runs.directory import RunDir
from kerneldistill.runtime.signals import INTERRUPTED
from scripts.kill_runs import facts
from scripts.signal_attacks.attacked import Attacked
from scripts.signal_attacks.trial import TINY, Started, Trial, left_behind, start

# A signal must be answered in so many seconds.
ANSWERED = 15.0

SWEEP = """
preset = "digits"
[set]
kernel.network = "fc"
kernel.depth = 1
optim.steps = 40
optim.target_batch = 200
evaluate.baseline_draws = 1
[[grid]]
seed = [0, 1]
"""


class Command(Attacked):
    """One process, by its command line."""

    @abstractmethod
    def words(self, place: Path) -> list[str]:
        """The command line that fills `place`."""

    def start(self, place: Path) -> list[Started]:
        return [start(self.words(place), self.folder / f"{place.name}.log", self.cache)]

    def signalled(self, rng: random.Random) -> Trial:
        """One start of the command, and its signals."""
        moment, number = rng.uniform(0, self.seconds), rng.choice((signal.SIGINT, signal.SIGTERM))
        times = rng.choice((1, 1, 1, 2, 3))
        pauses = [rng.choice((0.01, rng.uniform(0.1, 4))) for _ in range(times - 1)]
        (started,) = self.start(self.place())
        time.sleep(moment)
        listened, sent = started.listens(), time.monotonic()
        started.send(number)
        for pause in pauses:
            time.sleep(pause)
            started.send(number)
        status = started.status(ANSWERED - (time.monotonic() - sent))
        what = f"{self.name}, {times} x {number.name}"
        took = time.monotonic() - sent
        wrong = _fault(status, started, listened)
        if left := left_behind(str(self.folder)):
            wrong += f" left processes {left}"
        end = f"status {status}" if listened or status in (0, INTERRUPTED) else "ended before it began"
        if status == 0:
            wrong += self.compared()
            end = "done before"
        return Trial(what, f"{moment:.2f} s", end, took, wrong.strip())


def _fault(status: int | None, started: Started, listened: bool) -> str:
    if status is None:
        return f"no answer in {ANSWERED} s"
    if listened and status not in (0, INTERRUPTED):
        return f"status {status}: {started.said()[-300:]}"
    if listened and "Traceback" in started.said():
        return f"a traceback: {started.said()[-500:]}"
    return ""


class Run(Command):
    """`run`: prepare, distil, evaluate, export."""

    name = "run"

    def words(self, place: Path) -> list[str]:
        return ["run", *TINY, "--dir", str(place / "run")]

    def facts(self, place: Path) -> object:
        return facts(RunDir(place / "run"))


class Prepare(Command):
    """`prepare`, by the slowest whitening."""

    name = "prepare"

    def words(self, place: Path) -> list[str]:
        flags = ["--data.whiten", "kip_zca", "--data.batch-size", "50"]
        return ["prepare", "digits", *flags, "--out", str(place / "out")]

    def facts(self, place: Path) -> object:
        beside = sorted(path.name for path in place.iterdir())
        return beside, {name: sha256(place / "out" / name) for name in sorted(names_below(place / "out"))}


def finished_run(folder: Path) -> Path:
    """The finished run below a folder; made if it is not there."""
    run = folder / "finished" / "run"
    if not run.exists():
        run.parent.mkdir(exist_ok=True)
        if status := start(["run", *TINY, "--dir", str(run)], run.parent / "log", folder / "cache").process.wait():
            raise SystemExit(f"run ended with status {status}; see {run.parent / 'log'}")
    return run


class OnRun(Command):
    """A command on a finished run, which is made once."""

    def make_ready(self, place: Path) -> None:
        shutil.copytree(finished_run(self.folder.parent), place / "run")


class Evaluate(OnRun):
    """`evaluate` by kernel regression and by networks that are trained."""

    name = "evaluate"

    def words(self, place: Path) -> list[str]:
        flags = ["--protocol", "krr", "dc-quick", "--networks", "mlp", "--seeds", "2"]
        return ["evaluate", str(place / "run"), *flags]

    def facts(self, place: Path) -> object:
        return _without_times(json.loads(RunDir(place / "run").results_file.read_bytes()))


class Report(OnRun):
    """`report` with kernels on test images."""

    name = "report"

    def words(self, place: Path) -> list[str]:
        return ["report", str(place / "run")]

    def facts(self, place: Path) -> object:
        page = (place / "run" / "report" / "report.html").read_text()
        return re.sub(re.escape(str(place)), "PLACE", page)


class Sweep(Command):
    """`sweep` of two runs."""

    name = "sweep"

    def words(self, place: Path) -> list[str]:
        return ["sweep", str(place / "two.toml"), "--dir", str(place / "sweep")]

    def make_ready(self, place: Path) -> None:
        place.mkdir()
        (place / "two.toml").write_text(SWEEP)

    def facts(self, place: Path) -> object:
        runs = sorted(path for path in (place / "sweep").iterdir() if (path / "config.toml").exists())
        return {run.name: facts(RunDir(run)) for run in runs}


def _without_times(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_times(each) for name, each in value.items() if "seconds" not in name}
    return [_without_times(each) for each in value] if isinstance(value, list) else value


COMMANDS: dict[str, type[Command]] = {kind.name: kind for kind in (Run, Prepare, Evaluate, Report, Sweep)}
