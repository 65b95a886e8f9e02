"""From a table of values to a `Config`, by pydantic, and what it finds wrong in the words of this program.

pydantic is imported where it is used: `kdistill --help` does not need it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from kerneldistill.config.nearest import offered
from kerneldistill.config.schema import Config
from kerneldistill.config.settings import names_in, settings
from kerneldistill.pipeline.untrusted.names import printable

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

_RANGES = ("finite_number", "greater_than", "greater_than_equal", "less_than", "less_than_equal")

# Of many faults, those that are told.
_TOLD = 20


class ParsingError(ValueError):
    """Values that make no `Config`.

    faults: one line each, without a full stop
    names: of the settings, in the same order
    """

    def __init__(self, details: list["ErrorDetails"]) -> None:
        self.faults = [_fault(detail) for detail in details]
        self.names = [_name(detail) for detail in details]
        super().__init__("; ".join(self.faults[:_TOLD]))


def parse(values: Mapping[str, Any]) -> Config:
    """Make a configuration of nested tables, strictly: no conversion but from a whole number to a float.

    Raises:
      ParsingError: a name is unknown or missing, or a value is not of its type or out of its range.
    """
    from pydantic import ValidationError

    try:
        # In strict mode pydantic takes a table for a dataclass only from JSON. What JSON cannot say, such as TOML's
        # dates, becomes a list, which no field of one value takes.
        return _adapter().validate_json(json.dumps([values], default=lambda value: [str(value)]))[0]
    except ValidationError as error:
        raise ParsingError(error.errors()) from error


def first_fault(config: Config) -> str | None:
    """The first value of a configuration that is impossible by itself, with the remedy; None if all are possible."""
    try:
        parse(asdict(config))
    except ParsingError as error:
        name, fault = error.names[0], error.faults[0]
        setting = settings().get(name)
        if setting is None or name.startswith("data."):  # DataConfig's own messages are whole
            return fault
        example = f"{setting.example:g}" if isinstance(setting.example, float) else setting.example
        return f"{fault}: set it, for example with {setting.flag} {example}"
    return None


@cache
def _adapter() -> "TypeAdapter[list[Config]]":
    from pydantic import ConfigDict, TypeAdapter

    # pydantic hands its settings to plain dataclasses only from a container around them.
    return TypeAdapter(list[Config], config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))


def _name(detail: "ErrorDetails") -> str:
    return printable(".".join(map(str, detail["loc"][1:])))[:80]


def _fault(detail: "ErrorDetails") -> str:
    """One fault, with name and value."""
    name, kind, given = _name(detail), detail["type"], detail["input"]
    if kind == "unexpected_keyword_argument":
        table, _, last = name.rpartition(".")
        return f"{name} is not a setting, {offered(last, names_in(table))}"
    if kind == "missing":
        return f"{name} is missing"
    if kind == "dataclass_type":
        return f"{name} is {given!r:.80}, allowed is a table [{name}]"
    if kind == "value_error":  # DataConfig checks itself; its messages are whole
        return detail["msg"].removeprefix("Value error, ")
    if (kind in _RANGES or kind.startswith(("int_", "float_"))) and name in settings():
        return f"{name} is {given!r:.80}, allowed is {settings()[name].allowed}"
    return f"{name} is {given!r:.80}, allowed is {detail['msg'].removeprefix('Input should be ')}"
