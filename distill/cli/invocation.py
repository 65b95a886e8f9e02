"""One call of a command."""

import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple, TypeVar

from kerneldistill.errors import UserError
from kerneldistill.pipeline.untrusted.names import printable

Arguments = TypeVar("Arguments")

# Of commands with many flags, all of them; `--help` is the same for others.
HELP_ALL = "--help-all"
WIDTH = 100


class Call(NamedTuple):
    """A command as it was called.

    name: of the command
    args: the words after it
    prog: what help calls the program
    description: the text of the command's help
    """

    name: str
    args: Sequence[str]
    prog: str
    description: str

    def described(self, **parts: str) -> "Call":
        """Return the same call with `parts` where its description has their names in braces."""
        return self._replace(description=self.description.format(**parts))

    @property
    def text(self) -> str:
        """The description in lines that a terminal holds; those of examples are as they were written."""
        return "\n".join(
            line if line[:1] == " " else fill(line, WIDTH, break_on_hyphens=False)
            for line in self.description.splitlines()
        )

    def parse(self, kind: type[Arguments], *markers: Any, default: Arguments | None = None) -> Arguments:
        """Return the arguments as a dataclass.

        Args:
          kind: the dataclass; the comments of its fields are the help texts
          markers: tyro's, of all fields
          default: the values of what is not given, instead of those of the class

        Raises:
          UserError: a word is none that the command takes.
          SystemExit: with status 0, after `--help`.
        """
        return parsed(kind, self.args, self.prog, self.text, default, markers)


def parsed(
    kind: type[Arguments],
    args: Sequence[str],
    prog: str,
    description: str | None,
    default: Arguments | None = None,
    markers: Sequence[Any] = (),
) -> Arguments:
    """Read words as a dataclass, by the grammar that all commands share; see `Call.parse`."""
    import tyro

    from kerneldistill.cli.flags import flags_of
    from kerneldistill.cli.parse_errors import in_one_line
    from kerneldistill.cli.words import made_ready

    flags = flags_of(kind)
    words = made_ready(["--help" if word == HELP_ALL else word for word in args], flags)
    options: dict[str, Any] = {} if default is None else {"default": default}
    config = (tyro.conf.DisallowNone, *markers)  # `made_ready` has taken None out: help is shorter without it
    with in_one_line(words.parsed, flags):
        found = tyro.cli(kind, args=words.parsed, prog=prog, description=description, config=config, **options)
    return words.applied(found)


def of_program(kind: type[Arguments], description: str, args: Sequence[str] | None = None) -> Arguments:
    """Read the words of a program beside `kdistill`, by the same grammar; a mistake is one line, and status 2."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    prog = f"python -m {spec.name}" if spec is not None else Path(sys.argv[0]).name
    try:
        return parsed(kind, sys.argv[1:] if args is None else args, prog, description)
    except UserError as error:
        print(f"{prog}: error: {printable(str(error))}", file=sys.stderr)
        raise SystemExit(2) from None
