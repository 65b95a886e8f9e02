"""In which settings two configurations differ."""

from collections.abc import Sequence
from typing import NamedTuple

from kerneldistill.config.schema import Config
from kerneldistill.config.settings import settings


class Difference(NamedTuple):
    """name: of a setting. left, right: its value in either configuration."""

    name: str
    left: object
    right: object


def differences(left: Config, right: Config) -> list[Difference]:
    """Every setting in which two configurations differ, in the order of the fields."""
    values = (Difference(setting.name, setting.of(left), setting.of(right)) for setting in settings().values())
    return [value for value in values if value.left != value.right]


def in_words(changes: Sequence[Difference]) -> str:
    """Every name with both values."""
    return ", ".join(f"{change.name} is {change.left!r} there and {change.right!r} here" for change in changes)


def as_json(changes: Sequence[Difference]) -> dict[str, list[object]]:
    """Every name with the value before and after, of JSON's types."""
    return {change.name: [change.left, change.right] for change in changes}
