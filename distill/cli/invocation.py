"""One call of a command."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

Arguments = TypeVar("Arguments")


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

    def parse(self, kind: type[Arguments], *markers: Any, default: Arguments | None = None) -> Arguments:
        """Return the arguments as a dataclass.

        Args:
          kind: the dataclass; the comments of its fields are the help texts
          markers: tyro's, of all fields
          default: the values of what is not given, instead of those of the class

        Raises:
          SystemExit: status 0 after `--help`, 2 after a message.
        """
        import tyro

        from kerneldistill.pipeline.untrusted.names import printable

        options: dict[str, Any] = {} if default is None else {"default": default}
        options |= {"prog": self.prog, "description": self.description, "config": markers}
        shown = list(map(printable, self.args))
        try:
            # tyro quotes what it refuses as it is: control characters of it would reach the terminal.
            return tyro.cli(kind, args=list(self.args), console_outputs=shown == list(self.args), **options)
        except SystemExit:
            if shown != list(self.args):
                tyro.cli(kind, args=shown, **options)
            raise
