"""plan: estimate what a run will take, before it runs.

The comments below are the help texts.
"""

import logging
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg

from kerneldistill.cli.invocation import Call
from kerneldistill.cli.run_arguments import Job, parse_job

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
    # Print JSON.
    json: bool = False


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
    from kerneldistill.runtime import devices

    devices.setup()
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
