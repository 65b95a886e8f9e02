"""A job of three processes, one of which comes to grief."""

import random
import re
import signal
import socket
import time
from pathlib import Path

from kerneldistill.runs.directory import RunDir
from kerneldistill.runtime.signals import INTERRUPTED
from scripts.kill_runs import facts
from scripts.signal_attacks.attacked import Attacked
from scripts.signal_attacks.trial import TINY, Started, Trial, start

# Of a process that is gone the others must be out in so many seconds.
OUT = 60.0
# Where one does not come, the others wait for it so long.
WAIT = 40
FAULTS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT)


class Job(Attacked):
    """`run` by three processes."""

    name = "job of three"
    count = 3

    def facts(self, place: Path) -> object:
        return facts(RunDir(place / "run"))

    def hurt(self, rng: random.Random, number: int) -> Trial:
        """One start of the job, and one fault: each kind for each process in turn, at any moment or amid the steps."""
        fault, rank = FAULTS[number % len(FAULTS)], number // len(FAULTS) % self.count
        place = self.place()
        started = self.start(place)
        moment = self._wait(rng, place, started)
        hurt, sent = started[rank], time.monotonic()
        armed = hurt.listens()
        hurt.send(fault)
        others = [each for each in started if each is not hurt or fault in (signal.SIGTERM, signal.SIGINT)]
        statuses = [each.status(OUT - (time.monotonic() - sent)) for each in others]
        took = time.monotonic() - sent
        hurt.status(0)
        what = f"process {rank} of {self.count}, {fault.name}"
        apart = [status for each, status in zip(others, statuses, strict=True) if each is not hurt]
        aborted = any(status is not None and status < 0 for status in apart)
        wrong = "aborted" if aborted else _fault(fault, rank, armed, statuses, started)
        if statuses == [0] * len(statuses):
            wrong += self.compared()
        return Trial(what, moment, f"statuses {statuses}", took, wrong.strip())

    def _wait(self, rng: random.Random, place: Path, started: list[Started]) -> str:
        if rng.random() < 0.3:
            seconds = rng.uniform(0, self.seconds)
            time.sleep(seconds)
            return f"{seconds:.2f} s"
        file = RunDir(place / "run").metrics_file
        records = _lines(file) + rng.randrange(1, 20)
        while _lines(file) < records and all(each.process.poll() is None for each in started):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.5))
        return f"{_lines(file)} records"

    def start(self, place: Path) -> list[Started]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        words = ["run", *TINY, "--dir", str(place / "run"), "--processes.wait", str(WAIT)]
        environment = {"KERNELDISTILL_COORDINATOR": f"127.0.0.1:{port}", "KERNELDISTILL_PROCESSES": str(self.count)}
        return [
            start(
                words,
                self.folder / f"{place.name}-{index}.log",
                self.cache,
                KERNELDISTILL_PROCESS=str(index),
                **environment,
            )
            for index in range(self.count)
        ]


def _fault(fault: int, rank: int, armed: bool, statuses: list[int | None], started: list[Started]) -> str:
    """What is wrong with an end, in words."""
    if None in statuses:
        return f"not out in {OUT} s"
    if 0 in statuses and not any(statuses):
        return ""
    told = "\n".join(each.said() for index, each in enumerate(started) if index != rank)
    # Where it was gone before all had come, all that can be told is that not all came.
    if "did not come together" in told:
        return "a traceback" if "Traceback" in told else ""
    if fault in (signal.SIGTERM, signal.SIGINT):
        if armed and any(status != INTERRUPTED for status in statuses):
            return f"statuses {statuses}, not {INTERRUPTED}: {told[-300:]}"
        return "a traceback" if armed and "Traceback" in told else ""
    if 0 in statuses:
        return f"statuses {statuses}"
    named = re.search(rf"kdistill: process {rank} \(.*\) (is gone|has been silent)", told)
    return "" if named else f"not named: {told[-600:]}"


def _lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0
