"""Weights & Biases' view of the metrics, for those who ask for it with `--track wandb` and have the extra `wandb`.

WANDB_PROJECT, WANDB_ENTITY, WANDB_MODE and the others are theirs and mean what they do everywhere.
"""

import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict

import wandb  # pyright: ignore[reportMissingImports]  # an extra

from kerneldistill.errors import UserError
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.training.metrics import Record

PROJECT = "kerneldistill"
# Holds what the run is called there, so that it goes on as one.
ID_FILE = "wandb.id"


class WeightsAndBiases:
    """A run there with every number of the metrics: a `Follower`.

    Args:
      rundir: of the run; its folder's name is the run's, its settings are the run's configuration.
    """

    def __init__(self, rundir: RunDir) -> None:
        self._rundir = rundir

    def begin(self, records: Sequence[Record]) -> None:
        """Begin a run there, or go on in it, and add what it does not have yet."""
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", PROJECT),
                name=self._rundir.path.name,
                id=self._id(),
                config=asdict(self._rundir.config()),
                dir=str(self._rundir.path.parent),
                resume="allow",
            )
        except Exception as error:  # of any class: no credentials, no network
            raise UserError(
                f"--track has wandb, which cannot begin ({' '.join(str(error).split())[:120]}): log in with wandb "
                "login, or set WANDB_MODE=offline"
            ) from error
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Add every number of a record under its name; steps only go up there."""
        if record["step"] >= self._run.step:
            self._run.log({name: value for name, value in record.items() if name != "step"}, step=record["step"])

    def end(self, failed: bool) -> None:
        """Close the run there."""
        self._run.finish(exit_code=int(failed))

    def _id(self) -> str:
        file = self._rundir.path / ID_FILE
        if not file.is_file():
            self._rundir.finished.write(file, secrets.token_hex(8).encode())
        return file.read_text(encoding="utf-8").strip()
