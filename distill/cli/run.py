"""run, prepare, distill, label-solve: the commands that start from a preset."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kerneldistill.cli.invocation import Call
from kerneldistill.cli.run_arguments import (
    ComputingJob,
    DataJob,
    Job,
    LearningJob,
    PreparingJob,
    RunJob,
    SolvingJob,
    parse_job,
)
from kerneldistill.errors import UserError

if TYPE_CHECKING:
    from kerneldistill.runs.directory import RunDir

# The arguments of each command.
KINDS = {"run": RunJob, "prepare": DataJob, "distill": LearningJob, "label-solve": SolvingJob}


def execute(call: Call) -> int:
    """Run a command that starts from a preset; return its exit status."""
    job = parse_job(call, KINDS[call.name])
    if isinstance(job, DataJob) and job.out is not None:
        _prepare_alone(job, job.out)
        return 0
    from kerneldistill.runtime.progress import activity

    with activity("starting"):  # jax and Beam take seconds to load
        from kerneldistill.runs import stages
    from kerneldistill.runs.conduct import Conduct
    from kerneldistill.runs.directory import RunDir
    from kerneldistill.runs.preparing import check_given
    from kerneldistill.runs.training.followers import check_followers
    from kerneldistill.runtime import devices
    from kerneldistill.runtime.distributed import collectives
    from kerneldistill.runtime.distributed.options import ALONE, resolved
    from kerneldistill.runtime.distributed.start import joined

    asked = resolved(job.processes)
    given = repr((call.name, replace(job, processes=ALONE)))
    prepared = job.prepared if isinstance(job, ComputingJob) else None
    followers = job.track if isinstance(job, LearningJob) else ()
    check_followers(followers)
    with ExitStack() as stack:
        if asked is not None:
            stack.enter_context(joined(asked, given))
        rundir = RunDir(_folder(job, call.name))
        if call.name != "distill" and not rundir.config_file.exists():
            collectives.from_first(lambda: check_given(job.settings, rundir, prepared))
        opened = rundir.open(job.settings)
        collectives.from_first(lambda: stack.enter_context(opened) and None)
        if call.name != "prepare" and asked is None:
            devices.setup()
        if isinstance(job, LearningJob) and job.fork is not None:
            _fork(job, job.fork, rundir)
        act = getattr(stages, call.name.replace("-", "_"))
        act(job.settings, rundir, Conduct(_beam_options(job), _confirmation(job), prepared, followers))
    return 0


def _fork(job: LearningJob, source: Path, rundir: "RunDir") -> None:
    """Begin where another run was."""
    from kerneldistill.runs.fork import start_fork
    from kerneldistill.runtime.distributed.collectives import from_first

    from_first(lambda: start_fork(rundir, job.settings, source, job.fork_from))


def _folder(job: Job, command: str) -> Path:
    """Return the run's directory: labels are solved for beside the run of the same name."""
    beside = command == "label-solve" and job.dir is None
    return job.folder.with_name(f"{job.folder.name}-label-solve") if beside else job.folder


def _prepare_alone(job: DataJob, out: str) -> None:
    """Prepare a data set without a run directory."""
    if job.dir is not None:
        raise UserError(f"--dir is {job.dir} and --out is {out}; allowed is one of them: --out is without a run")
    from kerneldistill.pipeline.preparation import prepare
    from kerneldistill.runtime.progress import activity

    with activity(f"preparing {job.settings.data.name}", unit="images") as shown:
        manifest = prepare(job.settings.data, out, _beam_options(job), job.overwrite, shown.update)
    print(f"{out}: {manifest.summary()}")


def _confirmation(job: Job) -> Callable[[str], bool]:
    """Return what asks the user whether to begin; where nobody can be asked, it is begun."""
    asked = not (isinstance(job, ComputingJob) and job.yes) and sys.stdin.isatty() and sys.stderr.isatty()
    return _ask if asked else lambda question: True


def _ask(question: str) -> bool:
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _beam_options(job: Job) -> list[str]:
    given = job.pipeline_options if isinstance(job, PreparingJob) else ()
    return [f"--{option.removeprefix('--')}" for option in given]
