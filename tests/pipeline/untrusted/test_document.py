"""JSON and TOML within limits: one line, soon."""

import time
from dataclasses import dataclass
from typing import Annotated

import pytest
from annotated_types import Ge

from kerneldistill.errors import UserError
from kerneldistill.pipeline.untrusted.document import read_as, read_json, read_toml
from kerneldistill.pipeline.untrusted.names import Name

TOML = {
    "dotted keys": b".".join([b"a"] * 50_000) + b" = 1",
    "dotted keys, line by line": b"\n".join(b".".join([b"a%d" % n] * 450) + b" = 1" for n in range(35)),
    "tables": b"\n".join(b"[" + b".".join([b"a"] * 900) + b".b%d]" % n for n in range(35)),
    "nesting": b"a = " + b"[" * 100_000,
    "nesting over lines": b"a = " + b"[\n" * 30_000,
    "nested tables": b"a = " + b"{a=" * 600,
    "a number of a million digits": b"a = " + b"9" * 1_000_000,
    "a number of many digits": b"a = " + b"9" * 1900,
    "a hexadecimal number": b"a = 0x" + b"f" * 1900,
    "not UTF-8": b"a = \xff",
    "nothing": b"\x00" * 10,
}
ALLOWED = ("dotted keys, line by line", "tables", "a number of many digits", "a hexadecimal number")


@pytest.mark.parametrize("name", TOML)
def test_toml_that_costs_much_is_refused_soon(name: str) -> None:
    began = time.process_time()
    if name in ALLOWED:
        read_toml(TOML[name], "x.toml")
    else:
        with pytest.raises(UserError, match=r"^x\.toml (is not|has|cannot) [^\n]{,300}$"):
            read_toml(TOML[name], "x.toml")
    assert time.process_time() - began < 10


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"a":' * 200_000, b"9" * 5000, b"{", b"\xff", b""])
def test_json_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match=r"x\.json is damaged") as caught:
        read_json(content, "x.json")
    assert len(str(caught.value)) < 400


@dataclass(frozen=True)
class Thing:
    name: Name
    size: Annotated[int, Ge(1)] = 1


def test_a_dataclass_is_read_by_its_types() -> None:
    assert read_as(Thing, b'{"name": "a", "size": 2}', "x", "again") == Thing("a", 2)
    for content, message in (
        (b'{"name": "a\\u001b"}', r"x is wrong at name \('a\\x1b'\): allowed is a short text"),
        (b'{"name": "a", "size": 0}', r"x is wrong at size \(0\): .* again"),
        (b'{"name": "a", "size": 1.0}', "size"),
        (b'{"name": "a", "more": 1}', "more"),
        (b"[" * 100_000, "wrong at its beginning"),
    ):
        with pytest.raises(UserError, match=message):
            read_as(Thing, content, "x", "again")
