"""The `kdistill` command.

Each command's module is imported when the command is called, so that help comes at once: it loads neither jax,
TensorFlow, Beam nor numpy.
"""

import contextlib
import logging
import os
import select
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import TextIO

from kerneldistill.cli.commands import COMMANDS
from kerneldistill.cli.invocation import Call
from kerneldistill.cli.mishap import flags_named, in_words
from kerneldistill.errors import UserError
from kerneldistill.runtime.signals import INTERRUPTED, MISTAKE, end_with_parent, handlers_installed

# What a shell reports of a program that wrote to a closed pipe: 128 + SIGPIPE.
CLOSED_PIPE = 141
# Anywhere on the command line: show where an error comes from, above its line; tell nothing but results and mistakes.
TRACEBACK, QUIET = "--traceback", "--quiet"
_OPTIONS = ("--help", "--version")
ADVISERS = ("absl", "apache_beam")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; see `kdistill --help`."""
    words = list(sys.argv[1:] if argv is None else argv)
    whole, hushed = TRACEBACK in words, QUIET in words
    _set_up_logging(hushed)
    try:
        with handlers_installed(at_the_end=argv is None), _hushed() if hushed else contextlib.nullcontext():
            end_with_parent()
            status = _dispatch([word for word in words if word not in (TRACEBACK, QUIET)])
            sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
        _tell("interrupted; run the same command again to resume")
    except BaseException as error:
        if _a_reader_has_gone(error):
            return _leave(CLOSED_PIPE)
        text = in_words(error)
        if text is None and _processes() == 1:
            raise
        if text is None or whole:
            traceback.print_exc()
        if text is not None:
            _tell(f"error: {flags_named(' '.join(text.split()))}")
        status = 1 if text is None else MISTAKE
    return _leave(status)


def _dispatch(args: Sequence[str]) -> int:
    if not args:
        print(_help(), file=sys.stderr)
        return MISTAKE
    name, *rest = args
    if name == "help" and rest[:1]:
        name, rest = rest[0], ["--help"]
    if name in ("-h", "--help", "--help-all", "help"):
        print(_help())
    elif name == "--version":
        from kerneldistill.runtime.environment import code_version

        print(f"kdistill {code_version()}")
    elif name in COMMANDS:
        command = COMMANDS[name]
        execute = import_module(f"kerneldistill.cli.{command.module}").execute
        return execute(Call(name, rest, f"kdistill {name}", command.description)) or 0
    else:
        raise UserError(f"COMMAND is {name!r:.80}, {_instead(name)} (kdistill --help says what each does)")
    return 0


def _instead(name: str) -> str:
    from kerneldistill.config.nearest import offered
    from kerneldistill.config.presets import PRESETS

    return f"a preset: write kdistill run {name}" if name in PRESETS else offered(name, (*COMMANDS, *_OPTIONS))


def _help() -> str:
    from kerneldistill.config.presets import SUMMARIES
    from kerneldistill.runtime.text import columns

    commands = columns({f"{name} {command.usage}": command.summary for name, command in COMMANDS.items()})
    return f"""usage: kdistill COMMAND [arguments]

Distil a labelled image data set into a handful of learned images, by kernel ridge regression
through the exact kernel of an infinitely wide network.

commands (kdistill COMMAND --help says what each takes):
{commands}

presets:
{columns(SUMMARIES)}

examples:
  kdistill run digits
  kdistill run digits --support.size 20 --optim.steps 200 --dir runs/digits-20
  kdistill run cifar10-fc1 --data.dir ~/tensorflow_datasets

A run directory (--dir, by default runs/PRESET) holds all a run writes; the same command again resumes it.
Exit status: 0 done, {MISTAKE} a mistake in what was given, {INTERRUPTED} interrupted, to be resumed.

options: --help, --version; {QUIET} tells results and mistakes alone; {TRACEBACK} shows where an error comes from"""


def _hushed() -> contextlib.AbstractContextManager[None]:
    from kerneldistill.runtime.console import hushed

    return hushed()


def _set_up_logging(hushed: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("kdistill: %(label)s%(message)s"))
    handler.addFilter(_labelled)
    notes = logging.getLogger("kerneldistill.pipeline.sources.notes")  # what was guessed of the data
    notes.setLevel(logging.WARNING if hushed else logging.INFO)
    # absl is the voice of TFDS and orbax, whose warnings, as Beam's, are advice to programmers.
    handler.addFilter(lambda record: record.name.split(".")[0] not in ADVISERS or record.levelno >= logging.ERROR)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _labelled(record: logging.LogRecord) -> bool:
    record.label = "" if record.levelno == logging.INFO else f"{record.levelname}: "
    record.msg, record.args = flags_named(record.getMessage()), ()
    return True


def _tell(text: str) -> None:
    from kerneldistill.pipeline.untrusted.names import printable

    with contextlib.suppress(BrokenPipeError):
        print(f"kdistill: {printable(text)}", file=sys.stderr)


def _a_reader_has_gone(error: BaseException) -> bool:
    """Return whether who reads what this program says has gone, as `head` does; drop then what is left to say."""
    # rich, when it finds a pipe closed, exits instead.
    broken = error.__context__ if isinstance(error, SystemExit) else error
    if not isinstance(broken, BrokenPipeError):
        return False
    gone = [stream for stream in (sys.stdout, sys.stderr) if _is_closed(stream)]
    for stream in gone:  # Python flushes once more when it exits, and would complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return bool(gone) or broken is not error


def _is_closed(stream: TextIO) -> bool:
    watcher = select.poll()
    try:
        stream.flush()
        watcher.register(stream.fileno(), 0)
        return bool(watcher.poll(0))
    except BrokenPipeError:
        return True
    except (OSError, ValueError):  # it is no file
        return False


def _processes() -> int:
    collectives = _loaded("collectives")
    return 1 if collectives is None else collectives.count()


def _leave(status: int) -> int:
    start = _loaded("start")
    return status if start is None else start.leave(status)


def _loaded(name: str) -> ModuleType | None:
    """A module that knows of other processes; a command that computes nothing has not loaded it."""
    return sys.modules.get(f"kerneldistill.runtime.distributed.{name}")
