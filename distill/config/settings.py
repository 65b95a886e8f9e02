"""Every setting of `Config` by its dotted name, with all that its field says of it."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, reduce
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Interval, Le, Lt

from kerneldistill.config.marks import LARGEST, Mark
from kerneldistill.config.schema import Config


class Setting(NamedTuple):
    """One setting.

    name: dotted, as in `optim.steps`
    type: with the ranges, but without the mark
    mark: when it may change, and what depends on it
    example: a good value; None where none is needed, since every value of the type is one
    """

    name: str
    type: Any
    mark: Mark
    example: object

    @property
    def flag(self) -> str:
        """Its flag on the command line."""
        return flag(self.name)

    @property
    def allowed(self) -> str:
        """Its range in words, such as `a whole number from 1 up, or None`."""
        bounds = {
            name: value
            for bound in _bounds(self.type)
            for name in ("gt", "ge", "lt", "le")
            if (value := getattr(bound, name, None)) not in (None, LARGEST)
        }
        above = f" above {bounds['gt']}" if "gt" in bounds else f" from {bounds['ge']}" if "ge" in bounds else ""
        below = f" to below {bounds['lt']}" if "lt" in bounds else f" to {bounds['le']}" if "le" in bounds else ""
        types = {getattr(part, "__origin__", part) for part in (self.type, *get_args(self.type))}
        number = "a whole number" if int in types else "a number" if below else "a finite number"
        up = " up" if "ge" in bounds and not below else ""
        return f"{number}{above}{below}{up}{', or None' if type(None) in types else ''}"

    def of(self, config: Config) -> object:
        """Its value in a configuration."""
        return reduce(getattr, self.name.split("."), config)


def flag(name: str) -> str:
    """The command line flag of a dotted name: `optim.learning_rate` -> `--optim.learning-rate`."""
    return "--" + name.replace("_", "-")


@cache
def settings() -> Mapping[str, Setting]:
    """All settings, in the order of the fields."""
    return MappingProxyType({setting.name: setting for setting in _walk(Config, "", Mark())})


def names_in(table: str) -> list[str]:
    """The names in a table of `Config`, as `optim.schedule`; those at the top for an empty name."""
    prefix = f"{table}." if table else ""
    below = (name.removeprefix(prefix) for name in settings() if name.startswith(prefix))
    return list(dict.fromkeys(name.partition(".")[0] for name in below))


def _walk(table: type, prefix: str, inherited: Mark) -> Iterator[Setting]:
    hints = get_type_hints(table, include_extras=True)
    for field in fields(table):
        kind, *extras = _unwrapped(hints[field.name])
        own = next((extra for extra in extras if isinstance(extra, Mark)), None)
        mark = own or dict(inherited.inside).get(field.name, inherited)
        if isinstance(kind, type) and is_dataclass(kind):
            yield from _walk(kind, f"{prefix}{field.name}.", mark)
            continue
        ranges = tuple(extra for extra in extras if not isinstance(extra, Mark))
        default = None if field.default is MISSING else field.default
        example = default if mark.example is None else mark.example
        yield Setting(prefix + field.name, Annotated[(kind, *ranges)] if ranges else kind, mark, example)


def _unwrapped(hint: Any) -> tuple[Any, ...]:
    """A type and what annotates it."""
    return get_args(hint) if get_origin(hint) is Annotated else (hint,)


def _bounds(hint: Any) -> Iterator[Ge | Gt | Le | Lt | Interval]:
    """The ranges anywhere in a type."""
    for part in get_args(hint):
        if isinstance(part, Ge | Gt | Le | Lt | Interval):
            yield part
        else:
            yield from _bounds(part)


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name as tables within tables."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        *sections, field = name.split(".")
        table = found
        for section in sections:
            table = table.setdefault(section, {})
        table[field] = value
    return found
