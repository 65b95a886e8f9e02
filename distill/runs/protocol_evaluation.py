"""`kdistill evaluate --protocol`: every protocol with every network, each result stored as soon as it is there."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pydantic
from etils import epath

from kerneldistill.config.data_limits import check_image
from kerneldistill.errors import UserError
from kerneldistill.evaluation.evaluation import Evaluation
from kerneldistill.evaluation.evaluation_target import EvaluationTarget
from kerneldistill.evaluation.kernel_regression import KernelEvaluation
from kerneldistill.evaluation.linear_networks import LinearEvaluation
from kerneldistill.evaluation.protocol_result import ProtocolResult, merged, protocol_table
from kerneldistill.evaluation.protocols import KRR, LINEAR, PROTOCOLS
from kerneldistill.evaluation.request import EvaluationRequest
from kerneldistill.evaluation.robustness import robustness_table
from kerneldistill.evaluation.score_cache import ScoreCache
from kerneldistill.evaluation.trained_networks import NetworkEvaluation
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.runs import stages
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.evaluation_targets import evaluation_folder, of_bundle, of_run
from kerneldistill.runs.kept_bundle import bundle_kept, is_up_to_date
from kerneldistill.runs.results import Results
from kerneldistill.runs.run_encoder import use_bundle_encoder, use_encoder
from kerneldistill.runs.study_evaluation import check_studies, study
from kerneldistill.runtime.console import closing_table, tell
from kerneldistill.runtime.devices import cache_folder
from kerneldistill.runtime.distributed.collectives import from_first
from kerneldistill.runtime.progress import activity

# Beside the finished networks of a bundle.
PROTOCOLS_FILE = "protocols.json"

_Stored = pydantic.TypeAdapter(tuple[ProtocolResult, ...])


def evaluate_run(rundir: RunDir, request: EvaluationRequest) -> tuple[ProtocolResult, ...]:
    """Judge the chosen support of a run, add what is found to its results, and return it.

    Raises:
      UserError: see `of_run`, `NetworkEvaluation` and `KernelEvaluation`.
    """
    target = of_run(rundir, request.prepared, request.shifts)
    _check(target, request)
    if request.studies:
        from_first(lambda: study(target, request, rundir.evaluation))
    if not request.protocols:
        return ()
    if KRR in request.protocols:
        use_encoder(rundir.config(), rundir)
    if not from_first(rundir.results_file.exists):
        stages.evaluate(rundir)
    from_first(lambda: rundir.finished.check(rundir.outcome_file, rundir.results_file))
    found = []
    with bundle_kept(rundir):
        for result in _results(target, request, rundir.evaluation):
            found.append(result)
            from_first(lambda result=result: _add(rundir, result))
            stages.record_done("evaluate", rundir)
    _tell(found, target.dataset)
    if from_first(lambda: rundir.bundle.exists() and not is_up_to_date(rundir)):
        tell(f"added to {rundir.results_file}; the bundle is older: kdistill export {rundir.path} makes it anew")
    else:
        tell(f"added to {rundir.results_file}, and to the bundle where there is one")
    return tuple(found)


def evaluate_bundle(folder: Path, request: EvaluationRequest) -> tuple[ProtocolResult, ...]:
    """Judge the images of a bundle, store what is found in `protocols.json`, and return it.

    Raises:
      UserError: see `of_bundle`, `NetworkEvaluation` and `KernelEvaluation`.
    """
    if not (request.protocols or request.studies):
        raise UserError(f"{folder} is a bundle: say how it is judged with --protocol, for example --protocol krr dc")
    out = request.out or evaluation_folder(folder)
    target = of_bundle(folder, request.prepared, request.rewhiten, request.shifts)
    _check(target, request)
    if request.studies:
        from_first(lambda: study(target, request, out))
    if not request.protocols:
        return ()
    if KRR in request.protocols:
        use_bundle_encoder(folder, target.image_shape, request.encoder)
    found, file = [], out / PROTOCOLS_FILE
    for result in _results(target, request, out):
        found.append(result)
        from_first(lambda result=result: _store(file, result))
    _tell(found, target.dataset)
    tell(f"stored in {file}")
    return tuple(found)


def _add(rundir: RunDir, result: ProtocolResult) -> None:
    results = Results.load(rundir.results_file)
    whole = replace(results, protocols=merged(results.protocols, (result,)))
    rundir.finished.write(rundir.results_file, whole.to_json().encode())


def _store(file: Path, result: ProtocolResult) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(epath.Path(file), _Stored.dump_json(merged(stored_protocols(file), (result,)), indent=2) + b"\n")


def _tell(found: Sequence[ProtocolResult], dataset: str) -> None:
    closing_table(*protocol_table(found, dataset))
    if any(result.shifts for result in found):
        closing_table(*robustness_table(found))


def stored_protocols(file: Path) -> tuple[ProtocolResult, ...]:
    """Return the results of a bundle's protocols; none where there is no file.

    Raises:
      UserError: the file is damaged.
    """
    try:
        return _Stored.validate_json(file.read_bytes()) if file.exists() else ()
    except pydantic.ValidationError as error:
        raise UserError(f"{file} is damaged: remove it and evaluate again; finished networks are kept") from error


def _check(target: EvaluationTarget, request: EvaluationRequest) -> None:
    """Refuse networks that the images are too small for, before the first is trained."""
    check_studies(target, request)
    for protocol in request.protocols:
        if protocol == KRR:
            for kernel in request.kernels(target.kernel):
                check_image(kernel, target.image_shape)
        else:
            for spec in request.specs_of(protocol):
                spec.check_image(target.image_shape)


def _results(target: EvaluationTarget, request: EvaluationRequest, folder: Path) -> Iterator[ProtocolResult]:
    seeds: Sequence[int] = range(request.seeds)
    with activity("judging", unit="scores") as shown:
        for evaluation in _evaluations(target, request, folder):
            evaluation.pace.watch = lambda pace: shown.update(pace.done, pace.left, pace.total)
            yield evaluation.result(seeds, request.whole_train)


def _evaluations(target: EvaluationTarget, request: EvaluationRequest, folder: Path) -> Iterator[Evaluation]:
    common = cache_folder()
    for name in request.protocols:
        if name == KRR:
            for kernel in request.kernels(target.kernel):
                yield KernelEvaluation(target, ScoreCache(folder / KRR), kernel, request.ensemble)
            continue
        for spec in request.specs_of(name):
            if name == LINEAR:
                yield LinearEvaluation(target, ScoreCache(folder / LINEAR), spec)
                continue
            protocol = PROTOCOLS[name].on(target.dataset, spec)
            own = ScoreCache(folder / name)
            shared = own if common is None else ScoreCache(common / "whole-train")
            yield NetworkEvaluation(target, own, protocol, spec, shared)
