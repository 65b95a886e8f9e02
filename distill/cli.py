"""The `kdistill` command.

Its help loads neither jax, TensorFlow nor Beam: every command imports what it needs when it is called.
"""

import logging
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from distill.errors import UserError
from distill.presets import SUMMARIES
from distill.version import code_version
from pipeline.errors import DataError

if TYPE_CHECKING:
    from distill.job import DataJob
    from pipeline.manifest import Manifest

USER_MISTAKE = 2
# EX_TEMPFAIL of sysexits.h: a scheduler can tell an interrupted run, which resumes, from a failed one.
INTERRUPTED = 75


class Call(NamedTuple):
    """name: of the command. args: the words after it. prog, description: for its help."""

    name: str
    args: Sequence[str]
    prog: str
    description: str


def _start(call: Call) -> None:
    """A command that starts from a preset: run, prepare, distill, label-solve."""
    from distill.job import DataJob, Job, PreparingJob, parse_job
    from distill.rundir import RunDir

    kind = {"distill": Job, "prepare": DataJob}.get(call.name, PreparingJob)
    job = parse_job(kind, call.args, call.prog, call.description)
    default = f"{job.preset}-label-solve" if call.name == "label-solve" else job.preset
    options = [f"--{option.removeprefix('--')}" for option in getattr(job, "pipeline_options", ())]
    if getattr(job, "out", None):
        return _prepare_alone(job, options)
    with RunDir(job.dir or Path("runs", default)).open(job.settings) as rundir:
        if call.name != "prepare":
            _set_up_devices()
        from distill import run

        match call.name:
            case "run":
                run.run(job.settings, rundir, options)
            case "prepare":
                run.prepare(job.settings, rundir, options)
            case "distill":
                run.distill(job.settings, rundir)
            case "label-solve":
                run.label_solve(job.settings, rundir, options)


def _prepare_alone(job: "DataJob", options: Sequence[str]) -> None:
    """Prepares a data set without a run directory."""
    import pipeline

    if job.dir is not None:
        raise UserError(f"--dir is {job.dir} and --out is {job.out}; allowed is one of them: --out is without a run")
    print(_line(job.out, pipeline.prepare(job.settings.data, job.out, options)))


def _verify(call: Call) -> None:
    """Check everything about something stored."""
    from distill.job import parse_stored
    from pipeline.files import absolute
    from pipeline.manifest import Manifest
    from pipeline.verify import problems

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
    print(_line(str(path), Manifest.load(path)) + ": all as it was written")


def _line(path: str, manifest: "Manifest") -> str:
    """A prepared data set in one line."""
    counts = ", ".join(f"{manifest.count(split):,} {split}" for split in manifest.class_counts)
    shape = "x".join(map(str, manifest.image_shape))
    whitened = f"whitened by {manifest.config.whiten!r}"
    return f"{path}: {manifest.name} {manifest.version}, {counts} images of {shape}, {whitened}, {manifest.num_bad} bad"


def _finish(call: Call) -> None:
    """A command on what a run left: evaluate, export."""
    from distill.job import parse_finished
    from distill.rundir import RunDir

    with RunDir(parse_finished(call.args, call.prog, call.description)).reopen() as rundir:
        _set_up_devices()
        from distill import run

        {"evaluate": run.evaluate, "export": run.export}[call.name](rundir)


def _presets(call: Call) -> None:
    """List the presets, or print one as TOML."""
    from distill.settings import config_to_toml, preset_config

    if len(call.args) > 1:
        raise UserError(f"presets takes one name at most, given are: {' '.join(call.args)}")
    if not call.args:
        print(_columns(SUMMARIES))
    elif call.args[0] in ("-h", "--help"):
        print(f"usage: {call.prog} [PRESET]\n\n{call.description}")
    else:
        print(config_to_toml(preset_config(call.args[0])), end="")


def _set_up_devices() -> None:
    from distill import devices

    devices.setup()


class Command(NamedTuple):
    """usage: the words after its name. summary: one line. details: more lines of its own help. act: what it does."""

    usage: str
    summary: str
    details: str
    act: Callable[[Call], None]


COMMANDS: dict[str, Command] = {
    "run": Command(
        "PRESET",
        "prepare the data, distil, evaluate and export: the whole way",
        "Prepared data and finished steps in the run directory are not made again; the same command resumes an "
        "interrupted run.\n\n"
        "examples:\n  kdistill run digits\n"
        "  kdistill run cifar10-fc1 --data.dir ~/tensorflow_datasets --optim.steps 1000 --dir runs/long",
        _start,
    ),
    "prepare": Command(
        "PRESET",
        "only read, whiten and store the data set, with Beam",
        "examples:\n  kdistill prepare digits\n"
        "  kdistill prepare digits --data.name pets --data.source folder --data.dir ~/pets --out ~/pets-prepared\n"
        "  kdistill prepare cifar10-convnet-1 --data.dir ~/tensorflow_datasets \\\n"
        "    --pipeline-options direct_num_workers=4 --pipeline-options direct_running_mode=multi_processing",
        _start,
    ),
    "distill": Command(
        "PRESET",
        "only learn the images, from data that are prepared",
        "examples:\n  kdistill distill digits --optim.learning-rate 0.01 --dir runs/slow",
        _start,
    ),
    "label-solve": Command(
        "PRESET",
        "keep real images and solve for their labels: one step, closed form",
        "examples:\n  kdistill label-solve digits --support.size 50",
        _start,
    ),
    "evaluate": Command(
        "RUN", "measure a learned set on the test split again", "examples:\n  kdistill evaluate runs/digits", _finish
    ),
    "export": Command("RUN", "write the bundle of a run again", "examples:\n  kdistill export runs/digits", _finish),
    "verify": Command(
        "DIR",
        "check a prepared data set: every digest, image, count, and the whitening",
        "Prints a line for each problem; the exit status is then 2.\n\n"
        "examples:\n  kdistill verify runs/digits/prepared\n  kdistill verify gs://bucket/cifar10",
        _verify,
    ),
    "presets": Command(
        "[PRESET]",
        "list the presets, or print one as TOML to start a --config file from",
        "examples:\n  kdistill presets digits > mine.toml\n  kdistill run digits --config mine.toml",
        _presets,
    ),
}


def _columns(rows: Mapping[str, str]) -> str:
    width = max(map(len, rows))
    return "\n".join(f"  {left:<{width}}  {right}" for left, right in rows.items())


def _help() -> str:
    commands = _columns({f"{name} {command.usage}": command.summary for name, command in COMMANDS.items()})
    return f"""usage: kdistill COMMAND [arguments]

Distil a labelled image data set into a handful of learned images, by kernel ridge regression
through the exact kernel of an infinitely wide network.

commands (kdistill COMMAND --help lists every setting and its value):
{commands}

presets:
{_columns(SUMMARIES)}

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
        command.act(Call(name, rest, f"kdistill {name}", description))
    else:
        raise UserError(
            f"COMMAND is {name!r}, allowed are: {', '.join(COMMANDS)} (kdistill --help says what each does)"
        )
    return 0


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _set_up_logging() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("kdistill: %(levelname)s: %(message)s"))
    # absl is the voice of TFDS and orbax, whose warnings are advice to programmers.
    handler.addFilter(lambda record: record.name != "absl" or record.levelno >= logging.ERROR)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; see `kdistill --help`."""
    _set_up_logging()
    # A scheduler stops a job with SIGTERM: it ends like Ctrl-C.
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _dispatch(sys.argv[1:] if argv is None else argv)
    except (UserError, DataError) as error:
        print(f"kdistill: error: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_MISTAKE
    except KeyboardInterrupt:
        print("kdistill: interrupted; run the same command again to resume", file=sys.stderr)
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
