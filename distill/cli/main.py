"""The `kdistill` command.

Its help loads neither jax, TensorFlow nor Beam: a command's module is imported when it is called.
"""

import logging
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from kerneldistill.cli.commands import COMMANDS
from kerneldistill.cli.invocation import Call
from kerneldistill.config.presets import SUMMARIES
from kerneldistill.errors import UserError
from kerneldistill.runtime.columns import columns
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.signals import INTERRUPTED, MISTAKE, handled
from kerneldistill.runtime.version import code_version

USER_MISTAKE = MISTAKE


def _help() -> str:
    commands = columns({f"{name} {command.usage}": command.summary for name, command in COMMANDS.items()})
    return f"""usage: kdistill COMMAND [arguments]

Distil a labelled image data set into a handful of learned images, by kernel ridge regression
through the exact kernel of an infinitely wide network.

commands (kdistill COMMAND --help lists every setting and its value):
{commands}

presets:
{columns(SUMMARIES)}

examples:
  kdistill run digits
  kdistill run digits --support.size 20 --optim.steps 200 --dir runs/digits-20
  kdistill run cifar10-fc1 --data.dir ~/tensorflow_datasets

A run directory (--dir, by default runs/PRESET) holds all a run writes; the same command again resumes it.
Exit status: 0 done, {USER_MISTAKE} a mistake in what was given, {INTERRUPTED} interrupted, to be resumed.

options: --help, --version"""


def _dispatch(args: Sequence[str]) -> int:
    if not args:
        print(_help(), file=sys.stderr)
        return USER_MISTAKE
    name, *rest = args
    if name in ("-h", "--help", "help"):
        print(_help())
    elif name == "--version":
        print(f"kdistill {code_version()}")
    elif name in COMMANDS:
        command = COMMANDS[name]
        description = f"{command.summary[0].upper()}{command.summary[1:]}.\n\n{command.details}"
        act = import_module(f"kerneldistill.cli.{command.module}").act
        return act(Call(name, rest, f"kdistill {name}", description)) or 0
    else:
        raise UserError(
            f"COMMAND is {name!r}, allowed are: {', '.join(COMMANDS)} (kdistill --help says what each does)"
        )
    return 0


def _set_up_logging() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("kdistill: %(levelname)s: %(message)s"))
    # absl is the voice of TFDS and orbax, whose warnings are advice to programmers.
    handler.addFilter(lambda record: record.name != "absl" or record.levelno >= logging.ERROR)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; see `kdistill --help`."""
    _set_up_logging()
    try:
        with handled():
            status, reason = _dispatch(sys.argv[1:] if argv is None else argv), ""
    except UserError as error:
        status, reason = USER_MISTAKE, f"failed: {' '.join(str(error).split())}"
        print(f"kdistill: error: {' '.join(str(error).split())}", file=sys.stderr)
    except KeyboardInterrupt:
        status, reason = INTERRUPTED, "was interrupted"
        print("kdistill: interrupted; run the same command again to resume", file=sys.stderr)
    except BaseException as error:
        if collectives.count() == 1:
            raise
        traceback.print_exc()
        status, reason = 1, f"failed: {type(error).__name__}: {error}"
    return collectives.end(status, reason)
