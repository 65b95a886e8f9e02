"""The fenced blocks of a Markdown document, and what stands before them.

<!-- not run: REASON -->   the next block is not run, but the commands of kdistill in it are parsed
<!-- file: NAME -->        the next block is the file NAME to the blocks after it
"""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"(?:^<!-- (not run|file): ([^\n]+) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """document: its file. line: of its fence. kind: sh, console, python, toml, ... not_run: why. file: its name."""

    document: str
    line: int
    kind: str
    text: str
    not_run: str | None
    file: str | None


class Command(NamedTuple):
    """words: of one command line. stdout: the file it goes to, or None. shown: the output that the document shows."""

    words: list[str]
    stdout: str | None
    shown: str


def blocks(root: Path, document: str) -> list[Block]:
    """All fenced blocks of a document, in order."""
    text = (root / document).read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        mark, value, kind, content = match.groups()
        line = text.count("\n", 0, match.start(4))
        given = {name: value if mark == name else None for name in ("not run", "file")}
        found.append(Block(document, line, kind, content, given["not run"], given["file"]))
    return found


def commands(block: Block) -> list[Command]:
    """The command lines of a shell block; of a console block those after a `$`, with the lines below each."""
    joined = block.text.replace("\\\n", " ")
    if block.kind == "console":
        parts = [part.partition("\n") for part in re.split(r"^\$ ", joined, flags=re.MULTILINE)[1:]]
        return [_command(line, shown) for line, _, shown in parts]
    return [_command(line, "") for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _command(line: str, shown: str) -> Command:
    words = shlex.split(line, comments=True)
    if ">" not in words:
        return Command(words, None, shown)
    at = words.index(">")
    return Command(words[:at], words[at + 1], shown)
