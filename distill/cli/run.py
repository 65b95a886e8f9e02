"""run, prepare, distill, label-solve: the commands that start from a preset."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from kerneldistill.cli.invocation import Call
from kerneldistill.cli.run_arguments import DataJob, Job, LearningJob, PreparingJob, RunJob, parse_job
from kerneldistill.errors import UserError

# The arguments of each command.
KINDS = {"run": RunJob, "prepare": DataJob, "distill": LearningJob, "label-solve": PreparingJob}


def execute(call: Call) -> int:
    """Run a command that starts from a preset; return its exit status."""
    job = parse_job(call, KINDS[call.name])
    if isinstance(job, DataJob) and job.out is not None:
        _prepare_alone(job, job.out)
        return 0
    from kerneldistill.runs.directory import RunDir
    from kerneldistill.runtime import devices
    from kerneldistill.runtime.distributed import collectives
    from kerneldistill.runtime.distributed.options import ALONE, resolved
    from kerneldistill.runtime.distributed.start import joined

    asked = resolved(job.processes)
    default = f"{job.preset}-label-solve" if call.name == "label-solve" else job.preset
    folder, given = job.dir or Path("runs", default), repr((call.name, replace(job, processes=ALONE)))
    with ExitStack() as stack:
        if asked is not None:
            stack.enter_context(joined(asked, given))
        rundir = RunDir(folder)
        if call.name != "distill" and not rundir.config_file.exists():
            from kerneldistill.runs.stages import check_given

            collectives.from_first(lambda: check_given(job.settings, rundir))
        opened = rundir.open(job.settings)
        collectives.from_first(lambda: stack.enter_context(opened) and None)
        if call.name != "prepare" and asked is None:
            devices.setup()
        if isinstance(job, LearningJob) and job.fork is not None:
            from kerneldistill.runs.fork import start_fork

            fork, state = job.fork, job.fork_from
            collectives.from_first(lambda: start_fork(rundir, job.settings, fork, state))
        from kerneldistill.runs import stages

        match call.name:
            case "run":
                stages.run(job.settings, rundir, _beam_options(job))
            case "prepare":
                stages.prepare(job.settings, rundir, _beam_options(job))
            case "distill":
                stages.distill(job.settings, rundir)
            case "label-solve":
                stages.label_solve(job.settings, rundir, _beam_options(job))
    return 0


def _prepare_alone(job: DataJob, out: str) -> None:
    """Prepare a data set without a run directory."""
    if job.dir is not None:
        raise UserError(f"--dir is {job.dir} and --out is {out}; allowed is one of them: --out is without a run")
    from kerneldistill.pipeline.preparation import prepare

    print(f"{out}: {prepare(job.settings.data, out, _beam_options(job), job.overwrite).summary()}")


def _beam_options(job: Job) -> list[str]:
    given = job.pipeline_options if isinstance(job, PreparingJob) else ()
    return [f"--{option.removeprefix('--')}" for option in given]
