"""From a preset and a TOML file to one `Config`, and back to TOML."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kerneldistill.config.nearest import offered
from kerneldistill.config.parsing import ParsingError, parse
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.untrusted.document import read_toml
from kerneldistill.pipeline.untrusted.file import read_bounded


def preset_config(name: str) -> Config:
    """The configuration of a preset.

    Raises:
      UserError: there is no such preset.
    """
    if name not in PRESETS:
        raise UserError(f"PRESET is {name!r:.80}, {_instead(name)}")
    return PRESETS[name]


def _instead(name: str) -> str:
    if name.endswith(".toml"):
        return f"a file: lay it over a preset with --config {name}"
    if os.path.lexists(name):
        return f"which is data: leave out the preset and give --data.dir {name}"
    return f"{offered(name, PRESETS)} (kdistill presets says what each is)"


def layered(preset: str, file: Path | None) -> Config:
    """Lay the values of a TOML file over a preset.

    Raises:
      UserError: no such preset or file, not TOML, an unknown key, a value of the wrong type or out of its range.
    """
    base = preset_config(preset)
    if file is None:
        return base
    try:
        table = read_toml(read_bounded(file), str(file))
    except DataError as error:
        raise UserError(f"{error} (kdistill presets {preset} prints a file to begin with)") from error
    return config_from_table(table, str(file), base)


def config_to_toml(config: Config) -> str:
    """Write all values of a configuration as TOML; it leaves out None, which is how TOML says none."""
    import tomli_w

    return tomli_w.dumps(_without_none(asdict(config)))


def config_from_toml(text: str, source: str, base: Config | None = None) -> Config:
    """Read a configuration, strictly.

    Args:
      text: TOML; nested tables as in `Config`.
      source: what to call the text in messages.
      base: gives the values that are not in `text`; without it those without a default must be there.

    Raises:
      UserError: not TOML, an unknown or missing key, a value of the wrong type or out of its range; it names them all.
    """
    return config_from_table(read_toml(text.encode(), source), source, base)


def config_from_table(table: Mapping[str, Any], source: str, base: Config | None = None) -> Config:
    """Make a configuration of a table as `config_from_toml` does of its text; None stands for none."""
    try:
        return parse(_merge({} if base is None else _without_none(asdict(base)), table))
    except ParsingError as error:
        raise UserError(f"{source}: {error} (kdistill run --help-all lists every name and type)") from error


def config_digest(config: Config) -> str:
    """sha256 of the configuration's TOML, hexadecimal."""
    return hashlib.sha256(config_to_toml(config).encode()).hexdigest()


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _without_none(v) if isinstance(v, dict) else v for k, v in table.items() if v is not None}


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {k: _merge(base[k], v) for k, v in over.items() if isinstance(v, dict) and isinstance(base.get(k), dict)}
    return {**base, **over, **both}
