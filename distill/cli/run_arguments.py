"""What one command line says: the preset, the run directory, and every setting.

The comments below are the help texts of the commands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import tyro
from tyro.conf import Positional, UseAppendAction, arg

from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import Config
from kerneldistill.config.toml import layered
from kerneldistill.config.validation import check
from kerneldistill.runtime.distributed.options import ALONE, Processes


@dataclass(frozen=True)
class Job:
    """A preset, changed by a file and by flags, in a run directory."""

    # What to start from; kdistill presets lists them.
    preset: Annotated[Positional[str], arg(metavar="PRESET")]
    # The run directory, created or resumed. Default: runs/PRESET, for label-solve runs/PRESET-label-solve.
    dir: Annotated[Path | None, arg(metavar="RUN", help_behavior_hint="")] = None
    # Settings in TOML, laid over the preset; flags are laid over both.
    config: Annotated[Path | None, arg(metavar="FILE.toml", help_behavior_hint="")] = None
    processes: Processes = ALONE
    settings: Annotated[Config, arg(name="")] = PRESETS["digits"]


@dataclass(frozen=True)
class PreparingJob(Job):
    """A job that may prepare its data with Beam."""

    # An option of Beam, such as runner=DataflowRunner. Default: everything in this process.
    pipeline_options: Annotated[
        UseAppendAction[tuple[str, ...]], arg(metavar="NAME=VALUE", help_behavior_hint="(repeatable)")
    ] = ()


@dataclass(frozen=True)
class LearningJob(Job):
    """A job that learns images."""

    # Begin with the images of another run, in a --dir that is empty; all settings may differ but what these depend on.
    fork: Annotated[Path | None, arg(metavar="RUN", help_behavior_hint="")] = None
    # The state to fork: newest, best (on validation), or the number of a step that is saved.
    fork_from: Annotated[str, arg(metavar="STATE")] = "newest"


@dataclass(frozen=True)
class RunJob(PreparingJob, LearningJob):
    """A job that does everything."""


@dataclass(frozen=True)
class DataJob(PreparingJob):
    """A job that only prepares its data."""

    # Where to put the data set, alone and without a run directory: a folder, or a URL (gs://, s3://).
    out: Annotated[str | None, arg(metavar="DIR", help_behavior_hint="")] = None


@dataclass(frozen=True)
class Stored:
    """A job on something stored."""

    # A prepared data set: a folder, or a URL (gs://, s3://).
    dir: Annotated[Positional[str], arg(metavar="DIR")]


AnyJob = TypeVar("AnyJob", bound=Job)


def parse_job(kind: type[AnyJob], args: Sequence[str], prog: str, description: str) -> AnyJob:
    """Read the arguments of a command that starts from a preset.

    Twice: only the first reading tells which preset and file the flags of the second are laid over. The help, which
    needs no preset, shows the values of the preset it is asked with, else those of `digits`.

    Raises:
      UserError: no such preset or file, an unknown key in it, a wrong type, or a value out of its range.
      SystemExit: status 0 after `--help`, 2 after a message about a flag.
    """
    shown = next((PRESETS[word] for word in args if word in PRESETS), PRESETS["digits"])
    options = {"prog": prog, "description": description, "config": (tyro.conf.FlagConversionOff,)}
    first = tyro.cli(kind, args=list(args), default=kind(preset=tyro.MISSING, settings=shown), **options)
    base = layered(first.preset, first.config)
    job = tyro.cli(kind, args=list(args), default=kind(preset=tyro.MISSING, settings=base), **options)
    check(job.settings)
    return job


def parse_stored(args: Sequence[str], prog: str, description: str) -> str:
    """Read the arguments of a command that takes a folder or URL alone.

    Raises:
      SystemExit: status 0 after `--help`, 2 after a message.
    """
    return tyro.cli(Stored, args=list(args), prog=prog, description=description).dir
