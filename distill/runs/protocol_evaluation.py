"""`kdistill evaluate --protocol`: every protocol with every network, each result stored as soon as it is there."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pydantic
from etils import epath

from kerneldistill.config.data_limits import check_image
from kerneldistill.errors import UserError
from kerneldistill.evaluation.cache import Journal
from kerneldistill.evaluation.kernel_regression import judged_by_krr, kernel_judge
from kerneldistill.evaluation.protocol_result import ProtocolResult, merged, protocol_table
from kerneldistill.evaluation.protocols import KRR, PROTOCOLS
from kerneldistill.evaluation.request import Asked
from kerneldistill.evaluation.subject import Subject
from kerneldistill.evaluation.trained_networks import Judge, judged
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.runs import stages
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.results import Results
from kerneldistill.runs.subjects import of_bundle, of_run
from kerneldistill.runtime.console import closing_table, tell

# Beside the finished networks of a bundle.
PROTOCOLS_FILE = "protocols.json"

_Stored = pydantic.TypeAdapter(tuple[ProtocolResult, ...])


def evaluate_run(rundir: RunDir, asked: Asked) -> tuple[ProtocolResult, ...]:
    """Judge the chosen support of a run, add what is found to its results, and return it.

    Raises:
      UserError: see `of_run`, `judged` and `judged_by_krr`.
    """
    subject = of_run(rundir, asked.prepared)
    _check(subject, asked)
    if not rundir.results_file.exists():
        stages.evaluate(rundir)
    found = []
    for result in _results(subject, asked, rundir.path / "evaluation"):
        found.append(result)
        results = Results.load(rundir.results_file)
        whole = replace(results, protocols=merged(results.protocols, (result,)))
        write_whole(epath.Path(rundir.results_file), whole.to_json().encode())
    closing_table(*protocol_table(found, subject.dataset))
    tell(f"added to {rundir.results_file}; kdistill export {rundir.path} puts them into the bundle")
    return tuple(found)


def evaluate_bundle(folder: Path, asked: Asked) -> tuple[ProtocolResult, ...]:
    """Judge the images of a bundle, store what is found in `protocols.json`, and return it.

    Raises:
      UserError: see `of_bundle`, `judged` and `judged_by_krr`.
    """
    if not asked.protocols:
        raise UserError(f"{folder} is a bundle: say how it is judged with --protocol, for example --protocol krr,dc")
    out = asked.out or folder.absolute().parent / f"{folder.absolute().name}-evaluation"
    subject = of_bundle(folder, asked.prepared, asked.rewhiten)
    _check(subject, asked)
    found, file = [], out / PROTOCOLS_FILE
    for result in _results(subject, asked, out):
        found.append(result)
        out.mkdir(parents=True, exist_ok=True)
        write_whole(epath.Path(file), _Stored.dump_json(merged(stored_protocols(file), (result,)), indent=2) + b"\n")
    closing_table(*protocol_table(found, subject.dataset))
    tell(f"stored in {file}")
    return tuple(found)


def stored_protocols(file: Path) -> tuple[ProtocolResult, ...]:
    """The results of a bundle's protocols; none where there is no file.

    Raises:
      UserError: the file is damaged.
    """
    try:
        return _Stored.validate_json(file.read_bytes()) if file.exists() else ()
    except pydantic.ValidationError as error:
        raise UserError(f"{file} is damaged: remove it and evaluate again; finished networks are kept") from error


def _check(subject: Subject, asked: Asked) -> None:
    """Refuses networks that the images are too small for, before the first is trained."""
    for protocol in asked.protocols:
        if protocol == KRR:
            for kernel in asked.kernels(subject.kernel):
                check_image(kernel, subject.image_shape)
        else:
            for spec in asked.specs_of(protocol):
                spec.check_image(subject.image_shape)


def _results(subject: Subject, asked: Asked, folder: Path) -> Iterator[ProtocolResult]:
    seeds: Sequence[int] = range(asked.seeds)
    for name in asked.protocols:
        if name == KRR:
            for kernel in asked.kernels(subject.kernel):
                yield judged_by_krr(kernel_judge(subject, kernel, Journal(folder / KRR)), seeds, asked.whole_train)
            continue
        for spec in asked.specs_of(name):
            judge = Judge(subject, PROTOCOLS[name], spec, Journal(folder / name))
            yield judged(judge, seeds, asked.whole_train)
