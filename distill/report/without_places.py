"""A report that can be shared: places on this machine are named by their last part, not by the whole path."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from kerneldistill.config.schema import Config
from kerneldistill.report.document import Document
from kerneldistill.report.report_entry import ReportEntry, held

Value = TypeVar("Value")

# Parts of a path from which on it is a place of one machine, and no root or common folder that a word may be.
_PARTS = 2


def without_places(document: Document, entries: Iterable[ReportEntry]) -> Document:
    """Return the document without paths from the root of this machine: from the working folder on, or by last parts."""
    names: dict[str, str] = {}
    here = Path.cwd()
    for entry in entries:
        inside = entry.path.is_relative_to(here) and entry.path != here
        names[str(entry.path)] = str(entry.path.relative_to(here)) if inside else entry.name
        config = held(entry.config)
        for place in () if config is None else _places(config):
            names[place] = f"…/{Path(place).name}"
        if len(entry.path.parent.parts) > _PARTS:
            names[str(entry.path.parent)] = f"…/{entry.path.parent.name}"
    for place in (here, Path.home()):
        if len(place.parts) > _PARTS:
            names.setdefault(str(place), "…")
    # Longer paths first: one may begin with another.
    return _renamed(document, dict(sorted(names.items(), key=lambda item: -len(item[0]))))


def _places(config: Config) -> list[str]:
    given = (config.data.dir, config.support.start)
    return [text for text in given if text is not None and Path(text).is_absolute() and Path(text).name]


def _renamed(value: Value, names: Mapping[str, str]) -> Value:
    """Rename in every text within a value."""
    found: Any = value
    if isinstance(value, str):
        for place, name in names.items():
            found = found.replace(place, name)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: _renamed(getattr(value, field.name), names) for field in dataclasses.fields(value)}
        found = dataclasses.replace(value, **parts)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        found = type(value)(*(_renamed(part, names) for part in value))
    elif isinstance(value, list | tuple):
        found = type(value)([_renamed(part, names) for part in value])
    return found
