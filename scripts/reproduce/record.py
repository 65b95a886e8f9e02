"""What is kept of a row of a table: where it ran, what it cost and what it gave."""

import tomllib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pydantic

from kerneldistill.algorithms.support import LabelMode
from kerneldistill.config.schema import Config
from kerneldistill.config.toml import config_from_table, config_to_toml
from kerneldistill.evaluation.protocol_result import ProtocolResult
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning.precedent import Point, curve_of
from kerneldistill.runs.results import Measured, Results
from kerneldistill.runtime import environment
from kerneldistill.runtime.environment import Environment

FOLDER = Path(__file__).parent / "records"


class Cost(NamedTuple):
    """What all processes of a row took.

    seconds: by the clock
    processor_seconds: of all cores
    peak_bytes: memory of the largest process
    """

    seconds: float
    processor_seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Record:
    """A row.

    command: that makes it
    config: settings of the run, but for the folder of its data
    dataset: name and version
    data_fingerprint: of the prepared data
    environment: where it ran
    label_mode: how the labels came about
    support_size: images
    num_test: test images predicted
    test: the set, by kernel ridge regression
    start: what it began as, likewise; None for a set of others
    random_real: random real images of the same number, likewise
    cost: preparing, learning, evaluating and exporting; None where that is not known
    entries: kernel entries of all steps, each with its gradient, or of the solve
    curve: on validation; empty where nothing was learned here
    protocols: the set under named protocols
    maker: who published the set; "" for one that was made here
    """

    command: str
    config: dict[str, Any]
    dataset: str
    data_fingerprint: str
    environment: Environment
    label_mode: LabelMode
    support_size: int
    num_test: int
    test: Measured
    start: Measured | None
    random_real: tuple[Measured, ...]
    cost: Cost | None
    entries: int
    curve: tuple[Point, ...] = ()
    protocols: tuple[ProtocolResult, ...] = ()
    maker: str = ""

    @cached_property
    def settings(self) -> Config:
        """The configuration of the run."""
        return config_from_table(self.config, self.command)

    def save(self, file: Path) -> None:
        """Write the record as JSON, whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, pydantic.TypeAdapter(Record).dump_json(self, indent=1) + b"\n")

    @classmethod
    def load(cls, file: Path) -> "Record":
        """Read what `save` wrote."""
        return pydantic.TypeAdapter(cls).validate_json(file.read_bytes())


def record_of(rundir: RunDir, command: str, cost: Cost | None) -> Record:
    """Make the record of a finished run.

    Args:
      rundir: of the run
      command: that makes it
      cost: of all its processes

    Raises:
      UserError: it is not finished, or damaged.
    """
    results, manifest, curve = Results.load(rundir.results_file), Manifest.load(rundir.prepared), curve_of(rundir)
    config = rundir.config()
    solved = manifest.count("train") * results.support_size
    return Record(
        command=command,
        config=tomllib.loads(config_to_toml(replace(config, data=replace(config.data, dir=None)))),
        dataset=f"{manifest.name} {manifest.version}",
        data_fingerprint=manifest.fingerprint,
        environment=environment.from_json(rundir.environment_file.read_text(encoding="utf-8"))[-1],
        label_mode=results.label_mode,
        support_size=results.support_size,
        num_test=results.num_test,
        test=results.learned,
        start=results.start,
        random_real=results.random_real,
        cost=cost,
        entries=curve[-1].entries if curve else solved,
        curve=curve,
        protocols=results.protocols,
    )
