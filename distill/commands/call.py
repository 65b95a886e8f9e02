"""One call of a command."""

from collections.abc import Sequence
from typing import NamedTuple


class Call(NamedTuple):
    """name: of the command. args: the words after it. prog, description: for its help."""

    name: str
    args: Sequence[str]
    prog: str
    description: str
