"""What long evaluations have finished: one file for each score, named by what it depends on.

A file is whole or absent, and its name is the digest of everything that its content follows from: an evaluation that
was killed takes it up, another one of the same set and numbers too, and one of other numbers does not see it.
"""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import pydantic
from etils import epath

from kerneldistill.errors import UserError
from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.protocol_result import SeedScore
from kerneldistill.evaluation.protocols import Recipe
from kerneldistill.pipeline.storage.files import write_whole

SplitName = Literal["validation", "test"]

# Raised when the same unit comes to mean another training.
_VERSION = 1


class Unit(ABC):
    """A piece of work whose score is kept: a frozen dataclass of everything that the score follows from."""

    @property
    @abstractmethod
    def words(self) -> str:
        """Beginning of the name of its file, for people."""

    @cached_property
    def name(self) -> str:
        """Name of its file: the words, and a digest of its fields."""
        text = pydantic.TypeAdapter(type(self)).dump_json(self) + str(_VERSION).encode()
        return f"{self.words}-{hashlib.sha256(text).hexdigest()[:32]}.json"


@dataclass(frozen=True)
class TrainingUnit(Unit):
    """One network, trained and scored.

    recipe: how it is trained
    spec: the network
    set_sha256: digest of the images and labels it is trained on
    space: what the images it is scored on are: fingerprint of the prepared data, and how they were whitened anew
    split: it is scored on
    learning_rate: as in `Trained`
    weight_decay: as in `Trained`
    seed: as in `SeedScore`
    """

    recipe: Recipe
    spec: NetworkSpec
    set_sha256: str
    space: str
    split: SplitName
    learning_rate: float
    weight_decay: float
    seed: int

    @property
    def words(self) -> str:
        """Network, split and seed."""
        return f"{self.spec.name}-{self.split}-{self.seed}"


@dataclass(frozen=True)
class ScoreCache:
    """Finished scores in a folder, made when the first is kept.

    folder: where they are kept
    """

    folder: Path

    def find(self, unit: Unit) -> SeedScore | None:
        """Return the score of a unit; None where it is not finished.

        Raises:
          UserError: its file is damaged.
        """
        path = self.folder / unit.name
        if not path.exists():
            return None
        try:
            return pydantic.TypeAdapter(SeedScore).validate_json(path.read_bytes())
        except pydantic.ValidationError as error:
            raise UserError(f"{path} is damaged: remove it, and its score is computed again") from error

    def keep(self, unit: Unit, score: SeedScore) -> None:
        """Write the score of a finished unit."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(epath.Path(self.folder / unit.name), pydantic.TypeAdapter(SeedScore).dump_json(score))
