"""Read JSON and TOML within limits: of size, of depth, and of the length of a number. Time grows with the size."""

import json
import tomllib
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.untrusted.limits import MAX_TOML_BYTES, MAX_TOML_LINE
from kerneldistill.pipeline.untrusted.names import printable

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Kind = TypeVar("Kind")
# Of a value that is quoted in a message.
_QUOTED = 80


def read_json(content: bytes, name: str) -> Any:
    """Return the value of a JSON text.

    Raises:
      DataError: it is no JSON, nests too deep, or has a number that is too long.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{printable(name)} is damaged, it is no JSON ({_reason(error)}): restore the file") from error


def read_toml(content: bytes, name: str) -> dict[str, Any]:
    """Return the table of a TOML text.

    Raises:
      DataError: it is no TOML, is too large, nests too deep, or has a number or a line that is too long.
    """
    name = printable(name)
    longest = max(map(len, content.split(b"\n")))
    if len(content) > MAX_TOML_BYTES or longest > MAX_TOML_LINE:
        raise DataError(
            f"{name} has {len(content):,} bytes and a line of {longest:,}, allowed are {MAX_TOML_BYTES:,} and "
            f"{MAX_TOML_LINE:,}: a configuration is shorter"
        )
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{name} cannot be read (it is not UTF-8): give a TOML file in UTF-8") from error
    try:
        document = tomllib.loads(text)
        json.dumps(document, default=str)  # a hexadecimal number that no decimal text holds
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not TOML: {_reason(error)}") from error
    return document


def read_as(kind: type[Kind], content: bytes, name: str, remedy: str) -> Kind:
    """Return JSON as a dataclass, by its types and bounds; nothing is converted but whole numbers to floats.

    Args:
      kind: the dataclass, whose fields may be `Annotated` with bounds and with the types of `untrusted.names`.
      content: of the file.
      name: what to call it in messages.
      remedy: what to do where it is wrong.

    Raises:
      DataError: a value is missing, unknown, of another type, or out of its bounds; it names the first.
    """
    from pydantic import ValidationError

    try:
        # pydantic hands its settings to plain dataclasses only from a container around them.
        (value,) = _adapter(kind).validate_json(
            b"[" + (content.encode() if isinstance(content, str) else content) + b"]"
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"][1:]))[:_QUOTED] or "its beginning"
        given = "" if isinstance(first["input"], dict | bytes) else f" ({printable(repr(first['input']))[:_QUOTED]})"
        raise DataError(
            f"{printable(name)} is wrong at {printable(place)}{given}: {_words(first)}; {remedy}"
        ) from error
    return value


@cache
def _adapter(kind: type[Any]) -> "TypeAdapter[list[Any]]":
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(list[kind], config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))


_PREDICATES = {
    "is_name": "allowed is a short text on one line, without control characters",
    "are_names": "allowed are different short texts on one line each, without control characters",
    "is_text": "allowed is a text on one line, without control characters",
    "is_relative": "allowed is a path below the folder",
    "_is_digest": "allowed is a sha256",
}


def _words(error: Any) -> str:
    """Return what pydantic found, in the words of this program."""
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] != "predicate_failed":
        return message
    return next((words for name, words in _PREDICATES.items() if repr(name) in message), message)


def _reason(error: Exception) -> str:
    return "it nests too deep" if isinstance(error, RecursionError) else printable(first_line(error))[:200]
