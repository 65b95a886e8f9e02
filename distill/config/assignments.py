"""Settings written in one text, as in `network=conv_vec,depth=8`, and names in several."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerneldistill.config.nearest import offered
from kerneldistill.errors import UserError


def assigned(text: str, types: Mapping[str, Any], setting: str, allowed: str, example: str) -> dict[str, Any]:
    """Read NAME=VALUE,NAME=VALUE,... into values of their types; `None` is none.

    Args:
      text: to read
      types: of the names that are allowed
      setting: that holds the text
      allowed: what it may be, in words
      example: a good value of that setting, as on the command line

    Raises:
      UserError: it is no such list, a name is not allowed, or a value is not of its type.
    """
    from pydantic import TypeAdapter, ValidationError

    values: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals:
            raise UserError(f"{setting} has {text!r}, allowed is {allowed}: set it, for example with {example}")
        if name not in types:
            raise UserError(
                f"{setting} has {text!r}, and {name!r} is no setting there, {offered(name, types, quoted=True)}"
            )
        try:
            values[name] = None if value == "None" else TypeAdapter(types[name]).validate_strings(value)
        except ValidationError as error:
            needed = error.errors()[0]["msg"].removeprefix("Input should be ")
            raise UserError(
                f"{setting} has {text!r}, allowed as {name} is {needed}: change it with {example.split()[0]}"
            ) from error
    return values


def named(texts: Sequence[str]) -> Iterator[str]:
    """Yield the names in words of a command line: one in each, or several joined by commas."""
    for text in texts:
        yield from filter(None, (name.strip() for name in text.split(",")))
