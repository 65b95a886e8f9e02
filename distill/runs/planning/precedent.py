"""What the same settings reached before: committed records of whole runs, which plans and runs quote."""

import tomllib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydantic

from kerneldistill.config.differences import differences
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import Config
from kerneldistill.config.settings import settings
from kerneldistill.config.toml import config_from_table, config_to_toml
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.runs.directory import RunDir, is_run
from kerneldistill.runs.results import Results
from kerneldistill.runs.training.metrics import MetricsLog, rank, scored
from kerneldistill.runtime import environment
from kerneldistill.runtime.console import duration
from kerneldistill.runtime.environment import Environment
from kerneldistill.runtime.text import percent

# The committed records, part of the package; `python -m scripts.record` writes them.
FOLDER = Path(__file__).parent / "precedents"

# How many points of a curve are quoted: after each quarter of the entries.
_QUOTED = 4


@dataclass(frozen=True)
class Point:
    """A score on validation.

    step: outer steps done
    entries: kernel entries of these steps and of all coarser levels before, each with its gradient
    seconds: since the first step began, with validation
    processor_seconds: of processor time, likewise
    accuracy: 0..1
    mse: half the mean square
    averaged: whether it is of the mean of several steps' sets
    """

    step: int
    entries: int
    seconds: float
    processor_seconds: float
    accuracy: float
    mse: float
    averaged: bool


@dataclass(frozen=True)
class Milestone:
    """What a user may expect.

    split: on which it is measured; of test the end alone is known
    accuracy: 0..1, of the set that would be handed out
    entries, seconds: until then in the record
    here: seconds on this machine; None where its speed is not measured
    """

    split: Literal["validation", "test"]
    accuracy: float
    entries: int
    seconds: float
    here: float | None


@dataclass(frozen=True)
class Precedent:
    """A run that was made before.

    preset: whose settings it has; "" for those of none
    config: its settings, but for the folder of its data
    dataset: name and version
    data_fingerprint: of the prepared data
    environment: where it ran
    seconds_per_entry: of the steps of the last level that took any, in the median
    curve: on validation
    num_test: test images
    test_accuracy, test_mse: of the chosen set
    """

    preset: str
    config: dict[str, Any]
    dataset: str
    data_fingerprint: str
    environment: Environment
    seconds_per_entry: float
    curve: tuple[Point, ...]
    num_test: int
    test_accuracy: float
    test_mse: float

    def to_json(self) -> str:
        """The record as a JSON object."""
        return pydantic.TypeAdapter(Precedent).dump_json(self, indent=1).decode() + "\n"

    @classmethod
    def load(cls, file: Path) -> "Precedent":
        """Read what `to_json` wrote."""
        return pydantic.TypeAdapter(cls).validate_json(file.read_bytes())

    @cached_property
    def where(self) -> str:
        """Its data and devices, in words."""
        there = self.environment
        return f"{self.dataset}, {there.device_count} {there.backend} device{'s' * (there.device_count > 1)}"

    def milestones(self, seconds_per_entry: float | None = None) -> tuple[Milestone, ...]:
        """What was reached after each quarter of the entries, and at the end.

        seconds_per_entry: likewise, on this machine; None where it is not measured
        """
        scale = None if seconds_per_entry is None else seconds_per_entry / self.seconds_per_entry
        best_by = config_from_table(self.config, self.dataset).evaluate.best_by
        found = []
        for quarter in range(1, _QUOTED + 1):
            passed = [point for point in self.curve if point.entries <= quarter * self.curve[-1].entries / _QUOTED]
            if not passed:
                continue
            best, last = max(passed, key=lambda point: rank(point.accuracy, point.mse, best_by)), passed[-1]
            here = None if scale is None else scale * last.seconds
            if last.entries and not any(last.entries == other.entries for other in found):
                found.append(Milestone("validation", best.accuracy, last.entries, last.seconds, here))
        end = self.curve[-1]
        here = None if scale is None else scale * end.seconds
        return (*found, Milestone("test", self.test_accuracy, end.entries, end.seconds, here))

    def line(self) -> str:
        """The milestones in one line."""
        parts = [f"{percent(m.accuracy)} after {m.entries:,} entries, {duration(m.seconds)}" for m in self.milestones()]
        return f"in the committed record ({self.where}): validation {'; '.join(parts[:-1])}; test {parts[-1]}"


def precedent_for(config: Config) -> Precedent | None:
    """Find the record of a run of the same numbers, but for the seed; None if there is none."""
    every = map(Precedent.load, sorted(FOLDER.glob("*.json")))
    return next(
        (found for found in every if same_numbers(config_from_table(found.config, found.dataset), config)), None
    )


def precedent_of(rundir: RunDir) -> Precedent:
    """Make the record of a finished run.

    Raises:
      UserError: it is not finished, took no step at any level, was never validated, or is damaged.
    """
    config, results = rundir.config(), Results.load(rundir.results_file)
    curve = curve_of(rundir)
    if not curve or curve[-1].step != config.optim.steps:
        raise UserError(
            f"{rundir.path} has no validation up to its last step: give a run that is done, of this version"
        )
    manifest = Manifest.load(rundir.prepared)
    own = replace(config, data=replace(config.data, dir=None))
    return Precedent(
        preset=next((name for name, preset in PRESETS.items() if same_numbers(preset, own)), ""),
        config=tomllib.loads(config_to_toml(own)),
        dataset=f"{manifest.name} {manifest.version}",
        data_fingerprint=manifest.fingerprint,
        environment=environment.from_json(rundir.environment_file.read_text(encoding="utf-8"))[-1],
        seconds_per_entry=_seconds_per_entry(rundir),
        curve=curve,
        num_test=results.num_test,
        test_accuracy=results.learned.accuracy,
        test_mse=results.learned.mse,
    )


def curve_of(rundir: RunDir) -> tuple[Point, ...]:
    """Every score on validation of the last level of a run; none where nothing was learned."""
    records = MetricsLog(rundir.metrics_file).read()
    at = {record["step"]: record for record in records if "entries" in record}
    before = _entries_before(rundir)
    return tuple(
        Point(s.step, before + int(r["entries"]), r["elapsed"], r["elapsed_processor"], s.accuracy, s.mse, s.averaged)
        for s in scored(records)
        if (r := at.get(s.step)) is not None
    )


def _seconds_per_entry(rundir: RunDir) -> float:
    rates = [r["entries_per_second"] for r in MetricsLog(rundir.metrics_file).read() if "entries_per_second" in r]
    if rates:
        return 1 / float(np.median(rates))
    if not is_run(rundir.coarse.path):
        raise UserError(f"{rundir.path} took no step, so nothing is timed: give a run of --optim.steps 1 or more")
    return _seconds_per_entry(rundir.coarse)


def _entries_before(rundir: RunDir) -> int:
    """The kernel entries of all coarser levels of a run."""
    if not is_run(rundir.coarse.path):
        return 0
    *_, last = ({}, *MetricsLog(rundir.coarse.metrics_file).read())
    return _entries_before(rundir.coarse) + int(last.get("entries", 0))


def same_numbers(one: Config, other: Config) -> bool:
    """Whether two configurations differ in nothing that decides numbers, but for the seed."""
    changes = (change.name for change in differences(one, other))
    return all(name == "seed" or settings()[name].mark.stage != "distill" for name in changes)
