"""Which changes of images a protocol makes, as data; `kerneldistill.evaluation.changes` makes them."""

from dataclasses import dataclass, replace
from typing import Literal

FamilyName = Literal["dc", "dsa", "frepo", "rand"]


@dataclass(frozen=True)
class Augmentation:
    """What is done to the images of a step: one or more of the changes, drawn.

    family: the source of the changes; rand: RandAugment (1909.13719) over DSA's
    names: of its changes
    number: how many are drawn
    """

    family: FamilyName
    names: tuple[str, ...]
    number: int = 1

    def without(self, name: str) -> "Augmentation":
        """Return the same but for one change."""
        return replace(self, names=tuple(each for each in self.names if each != name))
