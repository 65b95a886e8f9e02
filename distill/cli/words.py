"""The words of a command line, made ready to be parsed: what no parser would explain is refused here.

Switches take no value, `None` empties a setting, and all values of a list stand behind one flag.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from kerneldistill.cli.flags import Flag
from kerneldistill.errors import UserError

# Hyphens that editors and web pages make of two, and the plain one.
DASHES = ("\u2013", "\u2014", "\u2212")
HYPHENS = "".join(("-", *DASHES))
_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}


class Words(NamedTuple):
    """Words that can be parsed.

    parsed: those for the parser
    emptied: flags that were given None
    """

    parsed: list[str]
    emptied: list[Flag]

    def applied(self, value: Any) -> Any:
        """Return a dataclass with None in the fields that were emptied."""
        for flag in self.emptied:
            value = _with_none(value, flag.path)
        return value


def made_ready(words: Sequence[str], flags: Mapping[str, Flag]) -> Words:
    """Check switches and lists, and take out what is emptied.

    Raises:
      UserError: a switch has a value, or a list is given twice.
    """
    parsed, emptied, lists, rest = [], [], set(), iter(range(len(words)))
    for n in rest:
        word = words[n]
        if word[:1] in DASHES:
            raise UserError(f"{word[:80]} does not begin with two plain hyphens: write --{word.lstrip(HYPHENS)[:80]}")
        if word == "--":
            parsed += words[n:]
            break
        name, equals, value = word.partition("=")
        found = flags.get(spelled(name))
        following = value if equals else words[n + 1] if n + 1 < len(words) else ""
        if found is not None and found.is_switch:
            _check_alone(found, following, bool(equals))
        elif found is not None and found.is_list and name in lists:
            raise UserError(f"{found.name} is there twice: put all its values behind one, {found.name} A B")
        elif found is not None and found.may_be_none and following == "None":
            emptied.append(found)
            if not equals:
                next(rest)
            continue
        lists |= {name} if found is not None and found.is_list else set()
        parsed.append(word)
    return Words(parsed, emptied)


def spelled(name: str) -> str:
    """Write a flag as the program does: with hyphens for underscores."""
    return f"--{name[2:].replace('_', '-')}" if name.startswith("--") else name


def values_behind(words: Sequence[str], name: str) -> Iterator[str]:
    """Yield the words that stand behind a flag, up to the next one."""
    inside = False
    for word in words:
        own, equals, value = word.partition("=")
        if word.startswith("--"):
            inside = spelled(own) == name
            if inside and equals:
                yield value
        elif inside:
            yield word


def _check_alone(flag: Flag, following: str, attached: bool) -> None:
    truth = _TRUTHS.get(following.lower())
    if truth is None and not attached:
        return
    remedy = f"{flag.name} or {flag.opposite}" if truth is None else flag.name if truth else flag.opposite
    raise UserError(f"{flag.name} takes no value, given is {following!r:.80}: write {remedy}")


def _with_none(value: Any, path: Sequence[str]) -> Any:
    first, *rest = path
    return replace(value, **{first: _with_none(getattr(value, first), rest) if rest else None})
