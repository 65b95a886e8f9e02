"""What long evaluations have finished: one file for each score, named by what it depends on.

A file is whole or absent, and its name is the digest of everything that its content follows from: an evaluation that
was killed takes it up, another one of the same set and numbers too, and one of other numbers does not see it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import pydantic
from etils import epath

from kerneldistill.errors import UserError
from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.protocol_result import SeedScore
from kerneldistill.evaluation.protocols import Recipe
from kerneldistill.pipeline.storage.files import write_whole

# Raised when the same unit comes to mean another training.
_VERSION = 1


class Unit(Protocol):
    """A piece of work that is kept.

    name: of its file, which holds a digest of everything that its score follows from
    """

    @property
    def name(self) -> str: ...


def unit_name(words: str, unit: object) -> str:
    """The name of the file of a unit, a frozen dataclass: some words for people, and the digest of its fields."""
    text = pydantic.TypeAdapter(type(unit)).dump_json(unit) + str(_VERSION).encode()
    return f"{words}-{hashlib.sha256(text).hexdigest()[:32]}.json"


@dataclass(frozen=True)
class TrainingUnit:
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
    split: Literal["validation", "test"]
    learning_rate: float
    weight_decay: float
    seed: int

    @cached_property
    def name(self) -> str:
        """Name of its file."""
        return unit_name(f"{self.spec.name}-{self.split}-{self.seed}", self)


AnyUnit = TypeVar("AnyUnit", bound=Unit)


class Journal:
    """Finished units in a folder, made when the first is kept.

    Args:
      folder: where they are kept
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, unit: Unit) -> SeedScore | None:
        """The score of a finished unit.

        Raises:
          UserError: its file is damaged.
        """
        path = self.folder / unit.name
        if not path.exists():
            return None
        try:
            return pydantic.TypeAdapter(SeedScore).validate_json(path.read_bytes())
        except pydantic.ValidationError as error:
            raise UserError(f"{path} is damaged: remove it, and this network is trained again") from error

    def keep(self, unit: Unit, score: SeedScore) -> None:
        """Writes the score of a finished unit."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(epath.Path(self.folder / unit.name), pydantic.TypeAdapter(SeedScore).dump_json(score))

    def missing(self, units: Sequence[AnyUnit]) -> list[AnyUnit]:
        """Those that are not finished, in order."""
        return [unit for unit in units if self.find(unit) is None]
