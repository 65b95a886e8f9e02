"""evaluate: measure a distilled set again, by its own kernel or by named protocols."""

from contextlib import ExitStack
from dataclasses import replace

from kerneldistill.bundle.location import is_bundle
from kerneldistill.cli.invocation import Call
from kerneldistill.evaluation.network_spec import what_is_allowed
from kerneldistill.evaluation.protocols import PROTOCOLS
from kerneldistill.evaluation.request import EvaluationRequest, check_request

ARGUMENTS = EvaluationRequest


def execute(call: Call) -> None:
    """Measure a distilled set again, by its own kernel or by named protocols."""
    described = call.described(protocols=", ".join(PROTOCOLS), networks=what_is_allowed())
    request = described.parse(EvaluationRequest)
    check_request(request)
    from kerneldistill.runtime.progress import activity

    with activity("starting"):  # jax takes seconds to load
        from kerneldistill.runs import stages
    from kerneldistill.runs.directory import RunDir
    from kerneldistill.runs.kept_bundle import bundle_kept
    from kerneldistill.runtime import devices
    from kerneldistill.runtime.distributed import collectives
    from kerneldistill.runtime.distributed.options import ALONE, resolved
    from kerneldistill.runtime.distributed.start import joined

    asked = resolved(request.processes)
    with ExitStack() as stack:
        if asked is not None:
            stack.enter_context(joined(asked, repr(("evaluate", replace(request, processes=ALONE)))))
        if is_bundle(request.what):
            if asked is None:
                devices.setup()
            from kerneldistill.runs.protocol_evaluation import evaluate_bundle

            evaluate_bundle(request.what, request)
            return
        rundir = RunDir(request.what)
        opened = rundir.reopen()
        collectives.from_first(lambda: stack.enter_context(opened) and None)
        if asked is None:
            devices.setup()
        if request.protocols or request.studies:
            from kerneldistill.runs.protocol_evaluation import evaluate_run

            evaluate_run(rundir, request)
            return
        with bundle_kept(rundir):
            stages.evaluate(rundir)
