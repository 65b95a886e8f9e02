"""run, prepare, distill, label-solve: the commands that start from a preset."""

from collections.abc import Sequence
from pathlib import Path

from kerneldistill import pipeline
from kerneldistill.cli.invocation import Call
from kerneldistill.cli.run_arguments import DataJob, LearningJob, PreparingJob, RunJob, parse_job
from kerneldistill.errors import UserError
from kerneldistill.runs.directory import RunDir
from kerneldistill.runtime import devices
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.options import resolved
from kerneldistill.runtime.distributed.rendezvous import join

# What their command lines say; that of any other is a PreparingJob.
KINDS = {"run": RunJob, "prepare": DataJob, "distill": LearningJob}


def act(call: Call) -> int:
    """A command that starts from a preset; its exit status."""
    kind = KINDS.get(call.name, PreparingJob)
    job = parse_job(kind, call.args, call.prog, call.description)
    default = f"{job.preset}-label-solve" if call.name == "label-solve" else job.preset
    options = [f"--{option.removeprefix('--')}" for option in getattr(job, "pipeline_options", ())]
    if getattr(job, "out", None):
        return _prepare_alone(job, options)
    if (asked := resolved(job.processes)) is not None and not join(asked):
        return collectives.follow()
    with RunDir(job.dir or Path("runs", default)).open(job.settings) as rundir:
        if call.name != "prepare" and asked is None:
            devices.setup()
        from kerneldistill.runs import stages

        if getattr(job, "fork", None):
            from kerneldistill.runs.fork import start_fork

            start_fork(rundir, job.settings, job.fork, job.fork_from)
        match call.name:
            case "run":
                stages.run(job.settings, rundir, options)
            case "prepare":
                stages.prepare(job.settings, rundir, options)
            case "distill":
                stages.distill(job.settings, rundir)
            case "label-solve":
                stages.label_solve(job.settings, rundir, options)
    return 0


def _prepare_alone(job: DataJob, options: Sequence[str]) -> int:
    """Prepares a data set without a run directory."""
    if job.dir is not None:
        raise UserError(f"--dir is {job.dir} and --out is {job.out}; allowed is one of them: --out is without a run")
    print(f"{job.out}: {pipeline.prepare(job.settings.data, job.out, options).summary()}")
    return 0
