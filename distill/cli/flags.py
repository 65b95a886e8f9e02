"""The flags of a command, as the fields of its dataclass make them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from kerneldistill.config.settings import flag


@dataclass(frozen=True)
class Flag:
    """One flag.

    name: as it is written, `--optim.steps`
    path: of the field, from the dataclass down
    type: of the value
    """

    name: str
    path: tuple[str, ...]
    type: Any

    @property
    def is_switch(self) -> bool:
        """Whether it takes no value: it is on, and its opposite off."""
        return self.type is bool or (self.may_be_none and bool in get_args(self.type))

    @property
    def is_list(self) -> bool:
        """Whether it takes any number of values."""
        return get_origin(self.type) is tuple and Ellipsis in get_args(self.type)

    @property
    def may_be_none(self) -> bool:
        """Whether None is one of its values."""
        return NoneType in get_args(self.type)

    @property
    def opposite(self) -> str:
        """The flag that switches it off: `--support.no-learn-labels`."""
        table, dot, name = self.name.removeprefix("--").rpartition(".")
        return f"--{table}{dot}no-{name}"

    @property
    def spellings(self) -> tuple[str, ...]:
        """All that may be written."""
        return (self.name, self.opposite) if self.is_switch else (self.name,)


@cache
def flags_of(kind: type) -> Mapping[str, Flag]:
    """Every flag of a dataclass, by all its spellings."""
    return {spelling: found for found in _walk(kind, "", ()) for spelling in found.spellings}


def _walk(kind: type, prefix: str, path: tuple[str, ...]) -> Iterator[Flag]:
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        hint, extras = hints[field.name], []
        while get_origin(hint) is Annotated:
            hint, *more = get_args(hint)
            extras += more
        if any(_is_positional(extra) for extra in extras):
            continue
        here = (*path, field.name)
        if isinstance(hint, type) and is_dataclass(hint):
            named = next((extra.name for extra in extras if getattr(extra, "name", None) is not None), field.name)
            yield from _walk(hint, f"{prefix}{named}." if named else prefix, here)
        else:
            yield Flag(flag(prefix + field.name), here, hint)


def _is_positional(marker: object) -> bool:
    from tyro.conf import Positional

    return marker is Positional
