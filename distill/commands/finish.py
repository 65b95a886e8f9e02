"""evaluate, export: the commands on what a run left."""

from distill import devices
from distill.commands.call import Call
from distill.job import parse_finished
from distill.rundir import RunDir


def act(call: Call) -> None:
    """A command on what a run left: evaluate, export."""
    with RunDir(parse_finished(call.args, call.prog, call.description)).reopen() as rundir:
        devices.setup()
        from distill import run

        {"evaluate": run.evaluate, "export": run.export}[call.name](rundir)
