"""The names that a value may have, where there are names: for shells that complete it."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tyro.conf import Positional

from kerneldistill.cli.flags import Flag
from kerneldistill.config.presets import PRESETS


def choices_of(flag: Flag) -> list[str]:
    """Names that a flag takes; empty where it takes anything."""
    if flag.name == "--protocol":
        from kerneldistill.evaluation.protocols import NAMES

        return list(NAMES)
    if flag.name == "--networks":
        from kerneldistill.evaluation.network_spec import FAMILIES

        return ["same", *FAMILIES]
    if flag.name == "--to":
        from kerneldistill.bundle.formats.registry import WRITTEN

        return ["all", *WRITTEN]
    return [str(choice) for choice in _literals(flag.type)]


def positional_choices(command: str, kind: type, before: Sequence[str]) -> list[str]:
    """Names of the words of a command without a flag; empty where they are paths."""
    hints = get_type_hints(kind)
    if "preset" in hints:
        return [] if {*before} & {*PRESETS} else list(PRESETS)
    if command == "zoo" and "get" in before:
        from kerneldistill.zoo import store

        return list(store.names())
    found = [
        choice for field in fields(kind) if _is_positional(kind, field.name) for choice in _literals(hints[field.name])
    ]
    return [] if {*before} & {*found} else found


def _is_positional(kind: type, name: str) -> bool:
    hint = get_type_hints(kind, include_extras=True)[name]
    return Positional in get_args(hint) or any(Positional in get_args(part) for part in get_args(hint))


def _literals(hint: Any) -> Iterator[Any]:
    """The values of all literals within a type."""
    if get_origin(hint) is Literal:
        yield from get_args(hint)
    else:
        for part in get_args(hint):
            yield from _literals(part)
