"""The arguments of the commands that start from a preset: the run directory and every setting.

The comments below are the help texts of the commands.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeVar

from tyro.conf import Positional, arg

from kerneldistill.cli.invocation import HELP_ALL, Call
from kerneldistill.config.own_data import with_data_found
from kerneldistill.config.presets import OWN, PRESETS
from kerneldistill.config.schema import Config
from kerneldistill.config.toml import layered
from kerneldistill.config.validation import check, with_place
from kerneldistill.errors import UserError
from kerneldistill.pipeline.sources.registry import AUTO
from kerneldistill.pipeline.untrusted.names import file_name
from kerneldistill.runs.conduct import FollowerName
from kerneldistill.runtime.distributed.options import ALONE, Processes


@dataclass(frozen=True)
class Job:
    """A preset, changed by a file and by flags, in a run directory."""

    # What to start from; kdistill presets lists them. Default: own, your data with settings for a start.
    preset: Annotated[Positional[str], arg(metavar="PRESET", help_behavior_hint="")] = OWN
    # The run directory, created or resumed. Default: runs/PRESET, of your own data runs/NAME, for label-solve with
    # -label-solve behind.
    dir: Annotated[Path | None, arg(metavar="RUN", help_behavior_hint="")] = None
    # Settings in TOML, laid over the preset; flags are laid over both.
    config: Annotated[Path | None, arg(metavar="FILE.toml", help_behavior_hint="")] = None
    # Several processes of the same command, which share the work and one run directory.
    processes: Processes = ALONE
    settings: Annotated[Config, arg(name="")] = PRESETS[OWN]

    @property
    def folder(self) -> Path:
        """The run directory."""
        return self.dir or Path("runs", file_name(self.settings.data.name) if self.preset == OWN else self.preset)


@dataclass(frozen=True)
class PreparingJob(Job):
    """A job that may prepare its data with Beam."""

    # Options of Beam, such as runner=DataflowRunner. Default: everything in this process.
    pipeline_options: Annotated[tuple[str, ...], arg(metavar="NAME=VALUE...", help_behavior_hint="")] = ()


@dataclass(frozen=True)
class ComputingJob(Job):
    """A job that computes a kernel, which may take long."""

    # Begin a run of more than an hour without being asked.
    yes: bool = False
    # Data that are prepared already, by kdistill prepare or in a run: a folder or a URL. Default: those that all runs
    # share in the user's cache folder (kdistill cache lists them), made where they are missing.
    prepared: Annotated[str | None, arg(metavar="DIR", help_behavior_hint="")] = None


@dataclass(frozen=True)
class LearningJob(ComputingJob):
    """A job that learns images."""

    # Begin with the images of another run, in a --dir that is empty; all settings may differ but what these depend on.
    fork: Annotated[Path | None, arg(metavar="RUN", help_behavior_hint="")] = None
    # The state to fork: newest, best (on validation), or the number of a step that is saved.
    fork_from: Annotated[str, arg(metavar="STATE")] = "newest"
    # Follow the run elsewhere, too: wandb (Weights & Biases; extra [wandb]) or tensorboard (extra [tensorboard], whose
    # events are written wherever it is installed).
    track: Annotated[tuple[FollowerName, ...], arg(metavar="NAME...", help_behavior_hint="")] = ()


@dataclass(frozen=True)
class SolvingJob(PreparingJob, ComputingJob):
    """A job that solves for labels."""


@dataclass(frozen=True)
class RunJob(PreparingJob, LearningJob):
    """A job that does everything."""


@dataclass(frozen=True)
class DataJob(PreparingJob):
    """A job that only prepares its data."""

    # Where to put the data set, alone and without a run directory: a folder, or a URL (gs://, s3://).
    out: Annotated[str | None, arg(metavar="DIR", help_behavior_hint="")] = None
    # Replace another data set that is at --out.
    overwrite: bool = False


AnyJob = TypeVar("AnyJob", bound=Job)


def parse_job(call: Call, kind: type[AnyJob]) -> AnyJob:
    """Return the arguments of a command that starts from a preset: flags over the file over the preset.

    The help shows the values of the preset that it is asked with.

    Raises:
      UserError: no such preset or file, an unknown key in it, a wrong type, or a value out of its range.
      SystemExit: status 0 after `--help`, 2 after a message about a flag.
    """

    def parsed(base: Config) -> AnyJob:
        return call.parse(kind, default=kind(settings=base))

    # tyro wants to know what the flags lie over before it has read which preset and file that are. Reading is slow
    # (0.2 s for all settings), so look for them in the words first and read again where that was wrong.
    preset, file = _preset_and_file(call.args)
    _help_if_asked(call, kind, PRESETS[preset])
    job = parsed(layered(preset, file))
    if (job.preset, job.config) != (preset, file):
        job = parsed(layered(job.preset, job.config))
    if isinstance(job, LearningJob) and job.fork is None and job.fork_from != "newest":
        raise UserError(f"--fork-from is {job.fork_from}, but no run is forked: name it with --fork RUN")
    prepared = job.prepared if isinstance(job, ComputingJob) else None
    settings = with_place(_with_data(job.settings, prepared), prepared)
    check(settings)
    return replace(job, settings=settings)


def _help_if_asked(call: Call, kind: type[Job], config: Config) -> None:
    """Show help where it is asked for, and exit."""
    asked = [n for n, word in enumerate(call.args) if word in ("-h", "--help", HELP_ALL)]
    if not asked:
        return
    if HELP_ALL in call.args:
        call._replace(args=[HELP_ALL]).parse(kind, default=kind(settings=config))
    from kerneldistill.cli.short_help import show_help

    following = next((word for word in call.args[asked[0] + 1 :] if word not in PRESETS), "")
    show_help(call, "" if following.startswith("-") else following, config)
    sys.stdout.flush()  # whoever reads may have gone
    raise SystemExit(0)


def _with_data(settings: Config, prepared: str | None) -> Config:
    """Settings whose data are found out where they are left open: of data that are prepared, their settings."""
    if prepared is None or AUTO not in (settings.data.name, settings.data.source):
        return with_data_found(settings)
    from kerneldistill.runs.given_data import manifest_of

    return replace(settings, data=manifest_of(prepared).config)


def _preset_and_file(args: Sequence[str]) -> tuple[str, Path | None]:
    """The preset and the value of --config, as most people write them: the preset first or the only such word."""
    preset = next((word for word in args if word in PRESETS), OWN)
    file = None
    for word, following in zip(args, [*args[1:], ""], strict=False):
        if word.startswith("--config="):
            file = Path(word.removeprefix("--config="))
        elif word == "--config":
            file = Path(following)
    return preset, file
