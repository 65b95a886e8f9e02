"""verify: checks everything about something stored."""

import sys

from distill.commands.call import Call
from distill.commands.lines import data_line
from distill.errors import UserError
from distill.job import parse_stored
from pipeline.files import absolute
from pipeline.manifest import Manifest
from pipeline.verify import problems


def act(call: Call) -> None:
    """Check everything about something stored."""
    path = absolute(parse_stored(call.args, call.prog, call.description))
    for name, what in {
        "config.toml": "a run directory (its data set is in prepared/)",
        "support.npz": "a bundle",
    }.items():
        if (path / name).exists():
            raise UserError(f"DIR is {path}, {what}; allowed is a prepared data set")
    found = 0
    for problem in problems(path):
        found += 1
        print(problem, file=sys.stderr)
    if found:
        raise UserError(f"{path} has {found} problem{'s' * (found > 1)}, named above")
    print(data_line(str(path), Manifest.load(path)) + ": all as it was written")
