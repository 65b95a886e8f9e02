"""What the parser finds wrong with the words of a command, in one line each.

tyro draws boxes. Before it does it calls a hook with what it found, and the hook raises the line instead. tyro calls
that hook unstable, so pyproject.toml allows the versions that have been tried; an event it does not know stays a box.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NoReturn, get_args, get_origin

from tyro import _errors as found

from kerneldistill.cli.commands import COMMANDS
from kerneldistill.cli.flags import Flag
from kerneldistill.cli.words import spelled, values_behind
from kerneldistill.config.nearest import nearest, offered
from kerneldistill.config.settings import settings
from kerneldistill.errors import UserError

# Flags that are offered instead of one that is none.
_FEW = 3
# Of other programs' flags, ours.
FAMILIAR = MappingProxyType(
    {
        **dict.fromkeys(("lr", "learning-rate", "step-size"), "--optim.learning-rate"),
        **dict.fromkeys(("epochs", "iterations", "iters", "max-steps", "niter"), "--optim.steps"),
        **dict.fromkeys(("batch-size", "batch", "bs"), "--optim.target-batch"),
        **dict.fromkeys(("ipc", "images", "num-images", "size", "n"), "--support.size"),
        **dict.fromkeys(("output", "output-dir", "out", "out-dir", "save-path", "logdir", "workdir"), "--dir"),
        **dict.fromkeys(("data", "data-path", "dataset-path", "input", "data-dir", "path"), "--data.dir"),
        **dict.fromkeys(("dataset", "name"), "--data.name"),
        **dict.fromkeys(("model", "arch", "net"), "--kernel.network"),
        **dict.fromkeys(("zca", "whitening", "normalize", "normalise"), "--data.whiten"),
        **dict.fromkeys(("resolution", "im-size", "image-size"), "--data.height"),
        **dict.fromkeys(("optimizer", "optimiser"), "--optim.name"),
        **dict.fromkeys(("resume", "run", "run-dir"), "--dir"),
        **dict.fromkeys(("gpus", "num-gpus", "nproc", "workers"), "--processes.count"),
        "loss": "--loss.name",
        **dict.fromkeys(("random-seed", "rng", "manual-seed"), "--seed"),
        "force": "--overwrite",
        "y": "--yes",
    }
)
_IN_WORDS = {int: "a whole number", float: "a number", str: "a text"}


@contextmanager
def in_one_line(words: Sequence[str], flags: Mapping[str, Flag]) -> Iterator[None]:
    """Raise UserError for what the parser finds wrong in the block.

    Args:
      words: that it parses
      flags: those there are
    """

    def raised(event: found.ParseErrorEvent) -> None:
        if isinstance(event, found.UnrecognizedArgs):
            _unrecognised(event.prog, event.tokens[0], flags)
        elif isinstance(event, found.MissingArgs):
            for token in event.unrecognized_tokens[:1]:
                _unrecognised(event.prog, token, flags)
            _missing(event.prog, [each.arg for each in event.missing_arguments])
        elif isinstance(event, found.InvalidChoice):
            choices = sorted(choice for choice in event.choices if choice != "None")
            where = f" ({event.prog} --help)" if event.argument.is_positional() else ""
            raise UserError(f"{_called(event.argument)} is {event.value!r:.80}, {offered(event.value, choices)}{where}")
        elif isinstance(event, found.BadValue):
            _without_value(event.argument, flags)
        elif isinstance(event, found.InstantiationFailure):
            if event.argument is None:  # a table of settings that checks itself
                raise UserError(event.message)
            _not_a_value(event.argument, words, flags)

    with found.on_parse_error(raised):
        yield


def _unrecognised(prog: str, word: str, flags: Mapping[str, Flag]) -> NoReturn:
    name = word.partition("=")[0][:80]
    bare = spelled(f"--{name.lstrip('-')}")
    if not word.startswith("-"):
        if bare in flags:
            raise UserError(f"{word!r:.80} has no hyphens: write {bare}")
        raise UserError(f"{word!r:.80} is one word too many: leave it out, or write its flag before it ({prog} --help)")
    if bare in flags:
        raise UserError(f"{name} does not begin with two plain hyphens: write {bare}")
    if positive := _switched_off(bare, flags):
        raise UserError(f"{name} is no flag of {prog}, for {positive} takes a value: leave {name} out")
    known = FAMILIAR.get(bare.removeprefix("--").rpartition(".")[2], "")
    near = [known] if known in flags else nearest(bare, list(flags), _FEW)
    remedy = f"did you mean {' or '.join(near)}?" if near else f"{prog} --help-all lists all"
    raise UserError(f"{name} is no flag of {prog}: {remedy}")


def _switched_off(bare: str, flags: Mapping[str, Flag]) -> str | None:
    """The flag that somebody would switch off, but which takes a value."""
    table, dot, name = bare.removeprefix("--").rpartition(".")
    positive = f"--{table}{dot}{name.removeprefix('no-')}"
    return positive if name.startswith("no-") and positive in flags else None


def _missing(prog: str, arguments: Sequence[Any]) -> NoReturn:
    needed = " and ".join(_usage(argument) for argument in arguments)
    raise UserError(f"{prog} needs {needed}{_example(prog)}")


def _example(prog: str) -> str:
    command = COMMANDS.get(prog.split()[-1])
    lines = command.details.splitlines() if command else []
    return next((f": for example {line.strip()}" for line in lines if line.startswith(f"  {prog} ")), "")


def _without_value(argument: Any, flags: Mapping[str, Flag]) -> NoReturn:
    name = _called(argument)
    setting = settings().get(_dotted(name, flags))
    example = argument.field.default if setting is None or setting.example is None else setting.example
    given = f", for example {name} {example}" if isinstance(example, int | float | str) and example != "" else ""
    raise UserError(f"{name} has no value: write {_usage(argument)}{given}")


def _not_a_value(argument: Any, words: Sequence[str], flags: Mapping[str, Flag]) -> NoReturn:
    """A value that is not of its type."""
    name = _called(argument)
    given = " ".join(values_behind(words, name))
    flag = flags.get(name)
    setting = settings().get(_dotted(name, flags))
    listed = flag is not None and flag.is_list
    allowed = setting.allowed if setting is not None and not listed else _type_in_words(flag.type if flag else str)
    example = "" if setting is None or setting.example in (None, ()) else f": for example {name} {setting.example}"
    few = f"numbers: for example {name} 100 200" if listed else f"{allowed}{example}"
    raise UserError(f"{name} is {given!r:.80}, allowed {'are' if listed else 'is'} {few}")


def _type_in_words(kind: Any) -> str:
    parts = get_args(kind) if get_origin(kind) is not None else (kind,)
    return " or ".join(_IN_WORDS[part] for part in parts if part in _IN_WORDS) or "another value (--help says which)"


def _dotted(name: str, flags: Mapping[str, Flag]) -> str:
    flag = flags.get(name)
    return "" if flag is None else ".".join(part for part in flag.path if part != "settings")


def _called(argument: Any) -> str:
    """The name of an argument as it is written."""
    return str(argument.lowered.metavar) if argument.is_positional() else argument.lowered.name_or_flags[0]


def _usage(argument: Any) -> str:
    metavar = str(argument.lowered.metavar or "")
    return metavar if argument.is_positional() else f"{_called(argument)} {metavar}".rstrip()
