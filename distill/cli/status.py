"""status: report where runs stand.

The comments below are the help texts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from kerneldistill.cli.invocation import Call
from kerneldistill.errors import UserError


@dataclass(frozen=True)
class StatusArguments:
    """Which runs to look at."""

    # Run directories.
    dirs: Annotated[Positional[tuple[Path, ...]], arg(metavar="DIR...")]
    # Print JSON: a list with an object for each.
    json: Annotated[bool, arg(metavar="")] = False


ARGUMENTS = StatusArguments


def execute(call: Call) -> None:
    """Report where runs stand."""
    job = call.parse(StatusArguments)
    if not job.dirs:
        raise UserError(f"no DIR is given: name one run directory or more, for example {call.prog} runs/digits")
    from kerneldistill.runs.status import as_json, as_text, status_of

    found = [status_of(path) for path in job.dirs]
    print(as_json(found) if job.json else "\n".join(map(as_text, found)))
