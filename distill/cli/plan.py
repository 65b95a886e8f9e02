"""plan: estimate what a run will take, before it runs.

The comments below are the help texts.
"""

import logging
from dataclasses import dataclass, replace
from typing import Annotated

from tyro.conf import arg

from kerneldistill.cli.invocation import Call
from kerneldistill.cli.run_arguments import Job, parse_job
from kerneldistill.errors import UserError

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlanJob(Job):
    """A job that is planned, not run."""

    # Time a few tiles. Without it the plan has no seconds, and nothing is compiled.
    calibrate: bool = True
    # Plan for a machine with so many devices, instead of this one.
    devices: Annotated[int | None, arg(help_behavior_hint="(default: this machine's)")] = None
    # Plan for devices with so much memory, such as 80GB (on CPU, whose devices share it, the memory of all).
    memory: Annotated[str | None, arg(metavar="SIZE", help_behavior_hint="(default: this machine's)")] = None
    # Plan for devices that need not be here, such as v5e:8x8 or h100:8: bounds from published limits, nothing is timed.
    # With the extra [tpu-check] or [gpu-check] their compiler is asked, minutes long, unless --no-calibrate.
    topology: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: this machine's)")] = None
    # With --topology: how many of them do all steps in this time, such as 30m or 2h.
    within: Annotated[str | None, arg(metavar="TIME", help_behavior_hint="(default: none asked)")] = None
    # Print JSON.
    json: bool = False


ARGUMENTS = PlanJob


def execute(call: Call) -> None:
    """Plan a run."""
    job = parse_job(call, PlanJob)
    from kerneldistill.runtime.progress import activity

    with activity("starting"):  # jax takes seconds to load
        from kerneldistill.runs.planning.levels import workloads_of
    from kerneldistill.runs.directory import RunDir
    from kerneldistill.runs.planning.known_speeds import speed_of
    from kerneldistill.runs.planning.machine import machine
    from kerneldistill.runs.planning.memory import memory_of
    from kerneldistill.runs.planning.plan import check_fits, plan_of
    from kerneldistill.runs.planning.table import table
    from kerneldistill.runs.run_encoder import try_encoder
    from kerneldistill.runtime import devices

    devices.setup()
    if job.topology is not None or job.within is not None:
        print(_of_topology(job), end="")
        return
    try_encoder(job.settings, RunDir(job.folder))
    there = machine(job.devices, job.memory)
    works = workloads_of(job.settings, RunDir(job.folder), there.devices)
    for work in works:
        check_fits(work.config, memory_of(work), there)
    timed = job.calibrate and there.devices == machine().devices
    if job.calibrate and not timed:
        LOG.warning("nothing is timed: this machine has not %d devices", there.devices)
    plan = plan_of(works[0], there, speed_of(works[0], anew=True) if timed else None)
    for work in works[1:]:
        plan = plan_of(work, there, speed_of(work, anew=True) if timed else None, plan)
    print(plan.to_json() if job.json else table(plan), end="" if job.json else "\n")


def _of_topology(job: PlanJob) -> str:
    """Plan for devices that are not here; return what is printed."""
    from kerneldistill.runs.directory import RunDir
    from kerneldistill.runs.planning import roofline
    from kerneldistill.runs.planning.levels import workloads_of
    from kerneldistill.runs.planning.plan import plan_of
    from kerneldistill.runs.planning.table import table

    if job.topology is None:
        raise UserError(f"--within is {job.within}, but is of a --topology: give one, for example --topology v5e:2x2")
    if job.devices is not None or job.memory is not None:
        raise UserError(
            f"--topology is {job.topology}, which names devices and memory: leave --devices and --memory out"
        )
    there = roofline.named(job.topology)
    wanted = None if job.within is None else roofline.seconds(job.within)
    works = workloads_of(job.settings, RunDir(job.folder), there.described)
    plan = None
    for work in works:
        own = plan_of(work, roofline.described(there, work), coarse=plan)
        plan = replace(own, roofline=roofline.roofline(work, there, job.calibrate, wanted))
    assert plan is not None  # a run has a level
    return plan.to_json() if job.json else table(plan) + "\n"
