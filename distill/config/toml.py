"""From a preset, a TOML file and flags to one `Config`, and back to TOML.

Each of the three overrides the one before it. tyro and pydantic are imported where they are used: `kdistill --help`
needs neither.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import Config
from kerneldistill.config.validation import check_values
from kerneldistill.errors import UserError


def preset_config(name: str) -> Config:
    """The configuration of a preset.

    Raises:
      UserError: there is no such preset.
    """
    if name not in PRESETS:
        raise UserError(f"PRESET is {name!r}, allowed are: {', '.join(PRESETS)} (kdistill --help says what each is)")
    return PRESETS[name]


def layered(preset: str, file: Path | None) -> Config:
    """The preset with the values of a TOML file laid over it.

    Raises:
      UserError: no such preset or file, not TOML, an unknown key, or a value of the wrong type.
    """
    base = preset_config(preset)
    if file is None:
        return base
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--config {file} cannot be read: {error}. Give a TOML file in UTF-8") from error
    return config_from_toml(text, str(file), base)


def resolve(preset: str, file: Path | None = None, flags: Sequence[str] = ()) -> Config:
    """The configuration of a run: preset, then file, then flags such as `--optim.steps 10`.

    Example:
      resolve("digits", flags=["--support.size", "20"])

    Raises:
      UserError: no such preset or file, an unknown key, a wrong type, or a value out of its range.
      SystemExit: status 2 after a message, when a flag is unknown or its value is not of its type.
    """
    import tyro

    config = tyro.cli(Config, args=list(flags), default=layered(preset, file), config=(tyro.conf.FlagConversionOff,))
    check_values(config)
    return config


def config_to_toml(config: Config) -> str:
    """All values of a configuration as TOML; a value of None is left out, which is how TOML says none."""
    import tomli_w

    return tomli_w.dumps(_without_none(asdict(config)))


def config_from_toml(text: str, source: str, base: Config | None = None) -> Config:
    """Read a configuration, strictly.

    Args:
      text: TOML; nested tables as in `Config`.
      source: what to call the text in messages.
      base: gives the values that are not in `text`; without it those without a default must be there.

    Raises:
      UserError: not TOML, an unknown or missing key, or a value of the wrong type; every fault is named.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{source} is not TOML: {error}") from error
    return config_from_table(document, source, base)


def config_from_table(document: Mapping[str, Any], source: str, base: Config | None = None) -> Config:
    """The same of a table that is read already; a value of None is none."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    merged = _merge({} if base is None else _without_none(asdict(base)), document)
    # pydantic hands its settings to plain dataclasses only from a container around them, and in strict mode takes a
    # table for a dataclass only from JSON. TOML's dates have no JSON form; as lists they are refused by every field.
    adapter = TypeAdapter(list[Config], config=ConfigDict(extra="forbid", strict=True))
    try:
        return adapter.validate_json(json.dumps([merged], default=lambda date: [str(date)]))[0]
    except ValidationError as error:
        faults = "; ".join(_fault(e["type"], e["loc"][1:], e["input"], e["msg"]) for e in error.errors())
        raise UserError(f"{source}: {faults}. kdistill run --help lists every name and type") from error


def config_digest(config: Config) -> str:
    """sha256 of the configuration's TOML, hexadecimal."""
    return hashlib.sha256(config_to_toml(config).encode()).hexdigest()


class Difference(NamedTuple):
    """name: dotted name of a value in `Config`. left, right: the value in either configuration."""

    name: str
    left: object
    right: object


def difference(a: Config, b: Config) -> list[Difference]:
    """Every value in which two configurations differ, in the order of the fields."""
    return list(_differences(a, b, ""))


def _differences(a: Any, b: Any, prefix: str) -> Iterator[Difference]:
    for field in fields(a):
        left, right, name = getattr(a, field.name), getattr(b, field.name), prefix + field.name
        if is_dataclass(left):
            yield from _differences(left, right, name + ".")
        elif left != right:
            yield Difference(name, left, right)


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _without_none(v) if isinstance(v, dict) else v for k, v in table.items() if v is not None}


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {k: _merge(base[k], v) for k, v in over.items() if isinstance(v, dict) and isinstance(base.get(k), dict)}
    return {**base, **over, **both}


def _fault(kind: str, path: tuple[int | str, ...], given: object, message: str) -> str:
    """One fault that pydantic found, in the words of this program."""
    name = ".".join(map(str, path))
    if kind == "unexpected_keyword_argument":
        return f"{name} is not a setting, allowed here are: {', '.join(_names_beside(path))}"
    if kind == "missing":
        return f"{name} is missing"
    if kind == "dataclass_type":
        return f"{name} is {given!r}, allowed is a table [{name}]"
    if kind == "value_error":  # DataConfig checks itself; its messages are whole
        return message.removeprefix("Value error, ")
    return f"{name} is {given!r}, allowed is {message.removeprefix('Input should be ')}"


def _names_beside(path: tuple[int | str, ...]) -> list[str]:
    """The names in the table that holds the last part of a dotted path."""
    table: Any = Config
    for part in path[:-1]:
        table = next(field.type for field in fields(table) if field.name == part)
    return [field.name for field in fields(table)]
