"""What a report is about: a run directory or a bundle, with the reason for whatever it does not hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from kerneldistill.algorithms.support import LabelMode
from kerneldistill.bundle.location import is_bundle
from kerneldistill.bundle.manifest import Origin
from kerneldistill.config.kernel_names import level_name
from kerneldistill.config.schema import Config, KernelConfig
from kerneldistill.errors import UserError
from kerneldistill.evaluation.protocol_result import ProtocolResult, set_sha256
from kerneldistill.evaluation.studies import NO_STUDIES, Studies
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.pipeline.titles import titled
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.report.kernels_on_test import OnTest
from kerneldistill.runs.directory import RunDir, is_run
from kerneldistill.runs.evaluation_targets import evaluation_folder
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.results import Results
from kerneldistill.runs.study_evaluation import stored_studies
from kerneldistill.runs.training.metrics import MetricsLog, Record
from kerneldistill.runtime import environment
from kerneldistill.runtime.environment import Environment

Held = TypeVar("Held")


class Absent(NamedTuple):
    """Something that is not there. reason: why, a sentence without its full stop."""

    reason: str


class LevelRecords(NamedTuple):
    """The outer steps of a coarser level. name: of the level. records: oldest first."""

    name: str
    records: Sequence[Record]


class LearnedSet(NamedTuple):
    """A support as it can be shown.

    images: float [s, h, w, c] whitened
    pixels: float32 [s, h, w, c] un-whitened, 0..255 and beyond
    labels: float [s, k]
    class_ids: int [s] class each image began in
    class_names: [k]
    label_mode: how the labels came about
    step: outer steps behind it
    """

    images: np.ndarray
    pixels: np.ndarray
    labels: np.ndarray
    class_ids: np.ndarray
    class_names: Sequence[str]
    label_mode: LabelMode
    step: int


@dataclass(frozen=True, eq=False)
class ReportEntry:
    """One run or bundle.

    name: what tells it from the report's others: its folder's name, or as much of its path as that takes
    path: the folder, absolute
    dataset: name and version of the source data
    whiten: kind of whitening
    kernel: the network and its kernel
    ridge: relative to the mean diagonal, as the support was chosen with
    learned: the chosen support
    records: of the outer steps, oldest first
    results: what was measured by its own kernel
    protocols: what finite networks and other kernels reach on it
    on_test: kernels with test images
    config: of the run
    sessions: where it ran, oldest first
    origin: where an imported set comes from; None for one that was distilled here
    levels: that were learned before, the coarsest first
    evolution: how its images evolved, GIF; None where no pictures were kept
    studies: of networks while they train on it
    """

    name: str
    path: Path
    dataset: str
    whiten: str
    kernel: KernelConfig | Absent
    ridge: float | Absent
    learned: LearnedSet | Absent
    records: Sequence[Record] | Absent
    results: Results | Absent
    protocols: Sequence[ProtocolResult]
    on_test: OnTest | Absent
    config: Config | Absent
    sessions: Sequence[Environment] | Absent
    origin: Origin | None = None
    levels: Sequence[LevelRecords] = ()
    evolution: bytes | None = None
    studies: Studies = NO_STUDIES


def held(of: Held | Absent) -> Held | None:
    """Return what is there, or None."""
    return None if isinstance(of, Absent) else of


def present(of: Held | Absent) -> Held:
    """Return what must be there: an entry with kernels on test images has all that they are from."""
    if isinstance(of, Absent):
        raise ValueError(of.reason)
    return of


def check_folder(path: Path) -> None:
    """Check, before anything slow, that a path is something to report on.

    Raises:
      UserError: it is neither a run directory nor a bundle.
    """
    if is_run(path) or is_bundle(path):
        return
    what = "is no folder" if not path.is_dir() else "has neither the config.toml of a run nor the files of a bundle"
    raise UserError(f"RUN is {path}, which {what}: give runs or bundles, for example kdistill report runs/digits")


def entry_of_run(rundir: RunDir, on_test: OnTest | Absent) -> ReportEntry:
    """Return what a run directory holds, `on_test` apart, which costs time.

    Raises:
      UserError: a file there is damaged.
      DataError: likewise.
    """
    config = rundir.config()
    outcome = Outcome.load(rundir.outcome_file) if rundir.outcome_file.exists() else None
    records = MetricsLog(rundir.metrics_file).read()
    solved = outcome is not None and outcome.label_mode == "label_solve"
    sessions = rundir.environment_file
    results = Results.load(rundir.results_file) if rundir.results_file.exists() else Absent(_NOT_EVALUATED)
    rundir.finished.check(
        *(rundir.config_file, rundir.metrics_file, rundir.outcome_file, rundir.results_file),
        *(rundir.environment_file, rundir.evolution),
    )
    return ReportEntry(
        name=rundir.path.name,
        path=rundir.path,
        dataset=_dataset_of_run(rundir, config),
        whiten=config.data.whiten,
        kernel=config.kernel,
        ridge=config.krr.ridge if outcome is None else outcome.ridge,
        learned=_learned_in_run(rundir, outcome, on_test),
        records=records or Absent(_NO_STEPS if solved else f"{rundir.metrics_file.name} is not there: no step is done"),
        results=results,
        protocols=_protocols(results),
        on_test=on_test,
        config=config,
        sessions=environment.from_json(sessions.read_text(encoding="utf-8"))
        if sessions.exists()
        else Absent(f"{sessions.name} is not there: nothing was computed yet"),
        levels=_levels(rundir),
        evolution=rundir.evolution.read_bytes() if rundir.evolution.is_file() else None,
        studies=NO_STUDIES if outcome is None else stored_studies(rundir.evaluation, set_sha256(*outcome.support)),
    )


def entry_of_bundle(path: Path, on_test: OnTest | None = None) -> ReportEntry:
    """Return what a bundle holds, every digest checked.

    on_test: its kernels with test images of prepared data that the user named, which it does not hold itself

    Raises:
      UserError: it is damaged.
    """
    from kerneldistill.bundle.reader import read_bundle

    bundle = read_bundle(path)
    manifest = bundle.manifest
    results = _results_of_bundle(bundle.results)
    if manifest.origin is None:
        without = "a bundle is what a run gives away, without its {}: report on the run directory to see them"
        untested = f"{without.format('prepared data')}, or name them with --prepared DIR"
    else:
        without = "an imported set comes without its {}"
        untested = f"{without.format('test images')}: name prepared data with --prepared DIR"
    return ReportEntry(
        name=path.name,
        path=path,
        dataset=titled(manifest.dataset, manifest.dataset_version),
        whiten=bundle.whitener.kind,
        kernel=manifest.kernel,
        ridge=manifest.ridge,
        learned=LearnedSet(
            images=bundle.images,
            pixels=bundle.whitener.invert(bundle.images),
            labels=bundle.labels,
            class_ids=bundle.class_ids,
            class_names=manifest.class_names,
            label_mode=manifest.label_mode,
            step=manifest.step,
        ),
        records=Absent(without.format("steps")),
        results=results,
        protocols=_protocols(results) or _stored_protocols(path),
        on_test=on_test or Absent(untested),
        config=Absent(without.format("settings")),
        sessions=Absent(f"{without.format('sessions')}; made by {manifest.code_version} on jax {manifest.jax_version}"),
        origin=manifest.origin,
        studies=stored_studies(evaluation_folder(path), set_sha256(bundle.images, bundle.labels)),
    )


def named_apart(entries: Sequence[ReportEntry]) -> list[ReportEntry]:
    """Return the entries under names that tell them apart: the last parts of their paths, as many as that takes."""
    parts = 1
    longest = max(len(entry.path.parts) for entry in entries)
    while True:
        names = [str(Path(*entry.path.parts[-parts:])) for entry in entries]
        if len(set(names)) == len(names) or parts >= longest:
            break
        parts += 1
    return [replace(entry, name=name) for entry, name in zip(entries, names, strict=True)]


_NO_STEPS = "its labels were solved for in closed form, and its images are real: there were no steps"
_NOT_EVALUATED = "results.json is not there: kdistill evaluate measures what was distilled"


def _levels(rundir: RunDir) -> tuple[LevelRecords, ...]:
    if not is_run(rundir.coarse.path):
        return ()
    own = LevelRecords(level_name(rundir.coarse.config()), MetricsLog(rundir.coarse.metrics_file).read())
    return (*_levels(rundir.coarse), own)


def _protocols(results: Results | Absent) -> Sequence[ProtocolResult]:
    return () if isinstance(results, Absent) else results.protocols


def _results_of_bundle(stored: Mapping[str, Any]) -> Results | Absent:
    import pydantic

    if not stored:
        return Absent("nothing was measured when it was imported")
    try:
        return pydantic.TypeAdapter(Results).validate_python(stored)
    except pydantic.ValidationError:
        return Absent("its results.json is not of a run's evaluation")


def _stored_protocols(bundle: Path) -> Sequence[ProtocolResult]:
    """Return what `kdistill evaluate` found about a bundle, in the folder it puts that by default."""
    folder = evaluation_folder(bundle)
    if not folder.is_dir():
        return ()
    from kerneldistill.runs.protocol_evaluation import PROTOCOLS_FILE, stored_protocols

    return stored_protocols(folder / PROTOCOLS_FILE)


def _dataset_of_run(rundir: RunDir, config: Config) -> str:
    if not (rundir.prepared / "manifest.json").exists():
        return config.data.name
    manifest = Manifest.load(rundir.prepared)
    return titled(manifest.name, manifest.version)


def _learned_in_run(rundir: RunDir, outcome: Outcome | None, on_test: OnTest | Absent) -> LearnedSet | Absent:
    if outcome is None:
        return Absent("outcome.npz is not there: the run has not ended")
    if not isinstance(on_test, Absent):
        pixels = on_test.learned_pixels
    elif (rundir.prepared / "whitener.npz").exists():
        pixels = Whitener.load(rundir.prepared / "whitener.npz").invert(outcome.support.images.astype(np.float32))
    else:
        return Absent(f"{rundir.prepared} is not there, and with it the way back to pixels")
    return LearnedSet(
        images=outcome.support.images,
        pixels=pixels,
        labels=outcome.support.labels,
        class_ids=outcome.start.class_ids,
        class_names=Manifest.load(rundir.prepared).class_names,
        label_mode=outcome.label_mode,
        step=outcome.step,
    )
