"""The cases of a sweep file.

    preset = "cifar10-convnet-1"            # what every case starts from, unless it says otherwise
    [set]                                   # settings of every case
    data.dir = "~/tensorflow_datasets"
    [[grid]]                                # every combination; any number of grids
    data.whiten = ["standard", "kip_zca"]
    support.size = [10, 100]
    [[case]]                                # one more
    command = "label-solve"                 # instead of run
    support.size = 500
    name = "solved-500"                     # of its run directory; default: the preset and these settings

`preset` and `command` may stand in a grid or a case like any setting, `name` in a case.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerneldistill.config.own_data import with_data_found
from kerneldistill.config.schema import Config
from kerneldistill.config.settings import nested, settings
from kerneldistill.config.toml import config_digest, config_from_toml, preset_config
from kerneldistill.config.validation import check, with_place
from kerneldistill.errors import UserError
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.untrusted.document import read_toml
from kerneldistill.pipeline.untrusted.file import read_bounded

COMMANDS = ("run", "label-solve")
# A dotted name of a setting, or `preset` or `command`, and its value.
Settings = Mapping[str, Any]

_LONGEST_VALUE = 40
_LONGEST_NAME = 150


@dataclass(frozen=True)
class Case:
    """One run of a sweep.

    name: name of its run directory: as given, or the preset and the settings of the case
    command: run or label-solve
    preset: preset it starts from
    config: complete configuration
    """

    name: str
    command: str
    preset: str
    config: Config


def cases_of(file: Path, prepared: str | None = None) -> list[Case]:
    """Read the cases of a sweep file, in its order, each once.

    prepared: where the data of all cases are, if they are prepared

    Raises:
      UserError: the file cannot be read, is not as the module says, or a case is no valid configuration.
    """
    try:
        document = read_toml(read_bounded(file), str(file))
    except DataError as error:
        raise UserError(f"{error} (kdistill sweep --help shows a file)") from error
    _check_keys(file, document)
    common = {name: document[name] for name in ("preset", "command") if name in document}
    common |= _flat(document.get("set", {}))
    cases: list[Case] = []
    for own in _combinations(file, document):
        case = _case(file, common, own, prepared)
        if not any((case.command, case.config) == (other.command, other.config) for other in cases):
            # Two values may differ in letters only that no name of a folder should have.
            taken = case.name in {other.name for other in cases}
            cases.append(_renamed(case) if taken else case)
    if not cases:
        raise UserError(f"{file} has no case: add a [[grid]] or a [[case]] (kdistill sweep --help shows a file)")
    return cases


def _check_keys(file: Path, document: Mapping[str, Any]) -> None:
    allowed = {"preset": str, "command": str, "set": dict, "grid": (dict, list), "case": (dict, list)}
    for key, value in document.items():
        if key not in allowed:
            raise UserError(
                f"{file}: {key} is not a part of a sweep, allowed are: {', '.join(allowed)} (kdistill sweep --help)"
            )
        tables = value if isinstance(value, list) else [value]
        kind = dict if isinstance(value, list) else allowed[key]
        if not isinstance(value, allowed[key]) or not all(isinstance(table, kind) for table in tables):
            raise UserError(f"{file}: {key} is {value!r}, allowed is a {'text' if allowed[key] is str else 'table'}")


def _combinations(file: Path, document: Mapping[str, Any]) -> Iterator[Settings]:
    """Yield what each case sets itself."""
    for grid in _tables(document, "grid"):
        axes = _flat(grid)
        for name, values in axes.items():
            if not isinstance(values, list) or not values:
                raise UserError(f"{file}: grid.{name} is {values!r}, allowed is a list of values, such as [{values!r}]")
        for values in itertools.product(*axes.values()):
            yield dict(zip(axes, values, strict=True))
    yield from map(_flat, _tables(document, "case"))


def _tables(document: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    found = document.get(key, [])
    return found if isinstance(found, list) else [found]


def _case(file: Path, common: Settings, own: Settings, prepared: str | None) -> Case:
    values = {**common, **own}
    preset, command = values.pop("preset", None), values.pop("command", COMMANDS[0])
    name = values.pop("name", None)
    what = f"{file}, case {own}"
    if preset is None:
        raise UserError(f"{what}: preset is missing: set it at the top, such as preset = 'digits'")
    if command not in COMMANDS:
        raise UserError(f"{what}: command is {command!r}, allowed are: {', '.join(COMMANDS)}")
    if name is not None and (not isinstance(name, str) or _word(name) != name or not name[:1].isalnum()):
        raise UserError(f"{what}: name is {name!r}, allowed is at most {_LONGEST_VALUE} of A-Z a-z 0-9 . _ + -")
    import tomli_w

    config = with_place(config_from_toml(tomli_w.dumps(nested(values)), what, preset_config(preset)), prepared)
    try:
        config = with_data_found(config)
        check(config)
    except UserError as error:
        raise UserError(f"{what}: {error}") from error
    return Case(name or _name(command, preset, own), command, preset, config)


def _name(command: str, preset: str, own: Settings) -> str:
    parts = [preset] + [command] * (command != COMMANDS[0])
    leaves = [name.rsplit(".", 1)[-1] for name in settings()]
    for name, value in own.items():
        if name not in ("preset", "command"):
            last = name.rsplit(".", 1)[-1]
            parts.append(f"{last if leaves.count(last) == 1 else name}={_word(value)}")
    return ",".join(parts)[:_LONGEST_NAME]


def _word(value: object) -> str:
    """Write a value as part of a folder's name."""
    text = "+".join(map(str, value)) if isinstance(value, list) else str(value)
    text = text.lower() if isinstance(value, bool) else text.rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text)[:_LONGEST_VALUE]


def _renamed(case: Case) -> Case:
    return Case(f"{case.name},{config_digest(case.config)[:8]}", case.command, case.preset, case.config)


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested tables into one with dotted names."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found
