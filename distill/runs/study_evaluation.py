"""`kdistill evaluate --study`: what networks do while they train on a set, kept beside the finished networks."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pydantic
from etils import epath

from kerneldistill.errors import UserError
from kerneldistill.evaluation.evaluation_target import EvaluationTarget
from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.request import EvaluationRequest
from kerneldistill.evaluation.studies import CURVES, RATES, CurveStudy, RateStudy, Studies, studied
from kerneldistill.evaluation.study_tables import curve_table, rate_table, rate_words
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.runtime.console import closing_table, duration, tell
from kerneldistill.runtime.progress import activity

_STORED = {RATES: pydantic.TypeAdapter(tuple[RateStudy, ...]), CURVES: pydantic.TypeAdapter(tuple[CurveStudy, ...])}


def check_studies(target: EvaluationTarget, request: EvaluationRequest) -> None:
    """Raise UserError if the images are too small for a network of a study."""
    for name in request.studies:
        for spec in studied(name, request.specs):
            spec.check_image(target.image_shape)


def study(target: EvaluationTarget, request: EvaluationRequest, folder: Path) -> None:
    """Make the studies that are asked for, keep what they find in a folder and tell it.

    Raises:
      UserError: what is kept of earlier studies is damaged.
    """
    for name in request.studies:
        _of(folder, name, target.digest)  # what is damaged is told before anything slow
    for name in request.studies:
        found = []
        for spec in studied(name, request.specs):
            one = _MAKE[name](target, spec, request)
            _keep(folder, name, one)
            found.append(one)
            tell(f"{name}, {spec.name}: {duration(one.seconds)}")
        _TELL[name](found)
        tell(f"stored in {_file(folder, name)}")


def stored_studies(folder: Path, support_sha256: str) -> Studies:
    """Return the studies of a support that a folder keeps.

    Raises:
      UserError: a file is damaged.
    """
    return Studies(_of(folder, RATES, support_sha256), _of(folder, CURVES, support_sha256))


def _of(folder: Path, name: str, support_sha256: str) -> tuple[Any, ...]:
    file = _file(folder, name)
    try:
        stored = _STORED[name].validate_json(file.read_bytes()) if file.exists() else ()
    except pydantic.ValidationError as error:
        remedy = f"remove it, and kdistill evaluate --study {name} makes it again"
        raise UserError(f"{file} is damaged: {remedy}") from error
    return tuple(each for each in stored if each.support_sha256 == support_sha256)


def _keep(folder: Path, name: str, found: RateStudy | CurveStudy) -> None:
    kept = [each for each in _of(folder, name, found.support_sha256) if each.network != found.network]
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(epath.Path(_file(folder, name)), _STORED[name].dump_json((*kept, found), indent=2) + b"\n")


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _rates(target: EvaluationTarget, spec: NetworkSpec, request: EvaluationRequest) -> RateStudy:
    from kerneldistill.evaluation.rate_study import FACTORS, rate_study

    with activity(f"{RATES}, {spec.name}", 3 * len(FACTORS) * request.seeds, "networks") as shown:
        return rate_study(target, spec, range(request.seeds), shown.update)


def _curves(target: EvaluationTarget, spec: NetworkSpec, request: EvaluationRequest) -> CurveStudy:
    from kerneldistill.evaluation.curve_study import STEPS, curve_study

    with activity(f"{CURVES}, {spec.name}", 2 * STEPS, "steps") as shown:
        return curve_study(target, spec, 0, shown.update)


def _tell_rates(found: Sequence[RateStudy]) -> None:
    for one in found:
        closing_table(*rate_table(one))
        tell(rate_words(one))


_MAKE: dict[str, Callable[[EvaluationTarget, NetworkSpec, EvaluationRequest], Any]] = {RATES: _rates, CURVES: _curves}
_TELL: dict[str, Callable[[Sequence[Any]], None]] = {
    RATES: _tell_rates,
    CURVES: lambda found: closing_table(*curve_table(found)),
}
