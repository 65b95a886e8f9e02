"""The record of a run: one JSON line for each step, which every other tool can read."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.runtime.distributed import collectives

# These measure the machine; everything else in a record is the same, bit for bit, however often a run was stopped.
TIMING = frozenset({"seconds", "validation_seconds", "entries_per_second", "elapsed", "elapsed_processor"})
# What the names of the scores on validation begin with: of the newest set, and of the average where one is kept.
VALIDATION = ("validation", "average_validation")

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


def best_on_validation(records: Iterable[Record]) -> Scored | None:
    """The score that the run chose by: most accuracy, then least mse, then the first; None where there is none."""
    return max(scored(records), key=lambda score: (score.accuracy, -score.mse), default=None)


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

    def append(self, record: Record) -> None:
        """Write one record at once, so that a killed process loses none it made.

        Raises:
          ValueError: `step` is missing, or a value is not finite, which JSON cannot say.
          TypeError: a value is not a plain number.
          UserError: it cannot be written.
        """
        if "step" not in record:
            raise ValueError(f"a record needs a step, this one has {', '.join(record) or 'nothing'}")
        line = json.dumps(dict(record), allow_nan=False) + "\n"
        if collectives.index():
            return
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
        return [self._parse(number, line) for number, line in enumerate(whole, 1)]

    def truncate_after(self, step: int) -> None:
        """Drop the records of later steps, and a torn last line: the run goes on from `step` and writes them again.

        Raises:
          UserError: a line before the last is no record.
        """
        if self.path.exists() and collectives.index() == 0:
            kept = [record for record in self.read() if record["step"] <= step]
            write_whole(self.path, "".join(json.dumps(record) + "\n" for record in kept).encode())

    def _parse(self, number: int, line: bytes) -> dict[str, int | float]:
        try:
            record = json.loads(line)
            record["step"] + 0
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(
                f"{self.path} is damaged at line {number}: {line[:80]!r} is no record. Move the file away; "
                "the run goes on without it and begins a new one"
            ) from error
        return record
