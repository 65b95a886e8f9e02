"""zoo: sets that come with the package.

The comments below are the help texts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from kerneldistill.cli.invocation import Call
from kerneldistill.errors import UserError
from kerneldistill.runtime.text import percent


@dataclass(frozen=True)
class ZooArguments:
    """What to do with the zoo."""

    # list: tell what there is. get: write a set as a bundle.
    action: Annotated[Positional[Literal["list", "get"]], arg(metavar="ACTION")]
    # get: which set.
    name: Annotated[Positional[str], arg(metavar="[NAME]", help_behavior_hint="")] = ""
    # get: the folder of the bundle. Default: NAME, here.
    out: Annotated[Path | None, arg(metavar="BUNDLE", help_behavior_hint="")] = None


ARGUMENTS = ZooArguments


def execute(call: Call) -> None:
    """List the sets that come with the package, or write one as a bundle."""
    job = call.parse(ZooArguments)
    from kerneldistill.runtime.console import closing_table, tell
    from kerneldistill.zoo import packed, store

    if job.action == "get":
        file, out = store.file_of(job.name), job.out or Path(job.name)
        packed.unpack(file, out)
        tell(f"bundle: {out}   card: {file.with_suffix('.md')}")
        return
    if job.name or job.out:
        raise UserError(f"zoo list takes nothing more, given is {job.name or job.out}: write kdistill zoo get NAME")
    closing_table("sets that come with the package", ("name", "images", "labels", "test accuracy", "kB"), _rows())


def _rows() -> list[tuple[str, ...]]:
    from kerneldistill.zoo import packed, store

    rows = []
    for name in store.names():
        file = store.file_of(name)
        made, results = packed.described(file)
        accuracy = percent(results["learned"]["accuracy"])
        rows.append((name, str(made.support_size), made.label_mode, accuracy, f"{file.stat().st_size / 1000:.0f}"))
    return rows
