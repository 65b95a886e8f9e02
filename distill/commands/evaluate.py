"""evaluate: measures a distilled set again, by its own kernel or by named protocols."""

from distill import devices
from distill.commands.call import Call
from distill.finite.asked import parse_asked
from distill.rundir import RunDir


def act(call: Call) -> None:
    """Measure a distilled set again, by its own kernel or by named protocols."""
    asked = parse_asked(call.args, call.prog, call.description)
    if (asked.what / "support.npz").exists():
        devices.setup()
        from distill.finite.evaluation import evaluate_bundle

        return evaluate_bundle(asked.what, asked)
    with RunDir(asked.what).reopen() as rundir:
        devices.setup()
        if asked.protocols:
            from distill.finite.evaluation import evaluate_run

            return evaluate_run(rundir, asked)
        from distill import run

        run.evaluate(rundir)
