"""One call of a command."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

Answer = TypeVar("Answer")


class Call(NamedTuple):
    """name: of the command. args: the words after it. prog, description: for its help."""

    name: str
    args: Sequence[str]
    prog: str
    description: str

    def read(self, kind: type[Answer], *markers: Any) -> Answer:
        """The arguments as a dataclass; `markers` are tyro's, of all its fields.

        Raises:
          SystemExit: status 0 after `--help`, 2 after a message.
        """
        import tyro

        return tyro.cli(kind, args=list(self.args), prog=self.prog, description=self.description, config=markers)
