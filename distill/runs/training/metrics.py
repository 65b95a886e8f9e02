"""The record of a run: one JSON line for each step, which every other tool can read.

Each line ends with a digest of itself and of all before it, so that a line that is changed, lost or moved is noticed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from kerneldistill.config.schema import BestBy
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.runtime.distributed import collectives

# These measure the machine; everything else in a record is the same, bit for bit, however often a run was stopped.
TIMING = frozenset(
    {"seconds", "once_seconds", "validation_seconds", "entries_per_second", "elapsed", "elapsed_processor"}
)
# What the names of the scores on validation begin with: of the newest set, and of the average where one is kept.
VALIDATION = ("validation", "average_validation")

_DIGEST = "digest"
_AWAY = "Move the file away; the run goes on without it and begins a new one"

# What one line holds: plain finite numbers by name, `step` among them.
Record = Mapping[str, int | float]


class Scored(NamedTuple):
    """A score on validation.

    step: outer steps done
    accuracy: 0..1
    mse: half the mean square
    averaged: whether it is of the average of several steps
    """

    step: int
    accuracy: float
    mse: float
    averaged: bool


def scored(records: Iterable[Record]) -> list[Scored]:
    """Every score on validation in the records of a run, in their order, an average after the newest set."""
    return [
        Scored(int(record["step"]), record[f"{name}_accuracy"], record[f"{name}_mse"], averaged)
        for record in records
        for averaged, name in zip((False, True), VALIDATION, strict=True)
        if f"{name}_mse" in record
    ]


def rank(accuracy: float, mse: float, best_by: BestBy) -> tuple[float, float]:
    """What orders scores, the best last: by one measure, and equal ones by the other."""
    return (accuracy, -mse) if best_by == "accuracy" else (-mse, accuracy)


def best_on_validation(records: Iterable[Record], best_by: BestBy) -> Scored | None:
    """The score that the run chose by, of equal ones the first; None where there is none."""
    return max(scored(records), key=lambda score: rank(score.accuracy, score.mse, best_by), default=None)


class MetricsLog:
    """A file of records, in the order of their steps; of several processes only the first writes.

    Args:
      path: the file; made by the first record.

    Example:
      log = MetricsLog(rundir.metrics_file)
      log.truncate_after(step)  # on resuming from a checkpoint of that step
      log.append({"step": step + 1, "loss": 0.25})
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last: str | None = None

    def append(self, record: Record) -> None:
        """Write one record at once, so that a killed process loses none it made.

        Raises:
          ValueError: `step` is missing, or a value is not finite, which JSON cannot say.
          TypeError: a value is not a plain number.
          UserError: it cannot be written.
        """
        if "step" not in record:
            raise ValueError(f"a record needs a step, this one has {', '.join(record) or 'nothing'}")
        text = json.dumps(dict(record), allow_nan=False)
        if collectives.index():
            return
        self._last = _digest(self._ends_with() if self._last is None else self._last, text)
        line = _signed(text, self._last)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise UserError(
                f"step {record['step']} could not be recorded in {self.path}: {error.strerror}. What is saved is "
                "whole: make room there, then run the same command again to resume"
            ) from error

    def read(self) -> list[dict[str, int | float]]:
        """Every record, oldest first. A last line that a killed process left torn is not one.

        Raises:
          UserError: a line before the last is no record.
        """
        if not self.path.exists():
            return []
        *whole, _torn = self.path.read_bytes().split(b"\n")
        records = [self._parse(number, line) for number, line in enumerate(whole, 1)]
        last = ""
        for number, (line, record) in enumerate(zip(whole, records, strict=True), 1):
            record.pop(_DIGEST, None)
            last = _digest(last, text := json.dumps(record))
            if line + b"\n" != _signed(text, last).encode():
                told = "it, or a line before it, is not as it was written"
                raise UserError(f"{self.path} is damaged at line {number}: {told}. {_AWAY}")
        return records

    def truncate_after(self, step: int) -> None:
        """Drop the records of later steps, and a torn last line: the run goes on from `step` and writes them again.

        Raises:
          UserError: a line before the last is no record.
        """
        if self.path.exists() and collectives.index() == 0:
            self._last, lines = "", []
            for record in self.read():
                if record["step"] <= step:
                    text = json.dumps(record)
                    self._last = _digest(self._last, text)
                    lines.append(_signed(text, self._last))
            write_whole(self.path, "".join(lines).encode())

    def _ends_with(self) -> str:
        """The digest of the last whole line; empty where there is none."""
        lines = self.path.read_bytes().split(b"\n")[:-1] if self.path.is_file() else []
        return str(json.loads(lines[-1])[_DIGEST]) if lines else ""

    def _parse(self, number: int, line: bytes) -> dict[str, int | float]:
        try:
            record = json.loads(line)
            record["step"] + 0
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{self.path} is damaged at line {number}: {line[:80]!r} is no record. {_AWAY}") from error
        return record


def _digest(before: str, text: str) -> str:
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()[:16]


def _signed(text: str, digest: str) -> str:
    return f'{text[:-1]}, "{_DIGEST}": "{digest}"}}\n'
