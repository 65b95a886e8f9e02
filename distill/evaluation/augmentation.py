"""Which changes of images a protocol makes, as data; `kerneldistill.evaluation.changes` makes them."""

from dataclasses import dataclass
from typing import Literal

FamilyName = Literal["dc", "dsa", "frepo"]


@dataclass(frozen=True)
class Augmentation:
    """What is done to the images of a step: one of the changes, drawn.

    family: the source of the changes
    names: of its changes
    """

    family: FamilyName
    names: tuple[str, ...]

    def without(self, name: str) -> "Augmentation":
        """Return the same but for one change."""
        return Augmentation(self.family, tuple(each for each in self.names if each != name))
