"""What is judged: a support with the prepared data it is judged on, from a run directory or from a bundle."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerneldistill.algorithms.support import NO_START, Support, real_support
from kerneldistill.bundle.reader import Bundle, read_bundle
from kerneldistill.bundle.whitened_space import same_space
from kerneldistill.config.schema import KernelConfig
from kerneldistill.errors import UserError
from kerneldistill.evaluation.evaluation_target import EvaluationTarget
from kerneldistill.pipeline import Prepared, load
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.rewhitened import in_space_of
from kerneldistill.runs.shifted_splits import shifted


def of_run(rundir: RunDir, prepared: str | None, shift: Sequence[str] = ()) -> EvaluationTarget:
    """Return the chosen support of a run.

    shift: as in `shifted`

    Raises:
      UserError: nothing is distilled there yet, what is there is damaged, or `prepared` is given: a run has its own.
      DataError: the prepared data are missing or damaged.
    """
    if prepared is not None:
        raise UserError(f"--prepared is {prepared}, but RUN holds its prepared data: leave --prepared out")
    config, outcome = rundir.config(), Outcome.load(rundir.outcome_file)
    data = load(rundir.prepared)
    rundir.tie_to_data(data.manifest.fingerprint)
    outcome.check_fits(rundir.outcome_file, data.manifest, config.kernel.dtype)
    support, made = outcome.support, (config.kernel, outcome.ridge, config.support.flip, config.seed)
    return shifted(_subject(support, data, data.manifest.fingerprint, *made), data, shift)


class BundleData(NamedTuple):
    """A bundle with prepared data in its space.

    bundle: the set
    data: the splits
    space: what their images are, as in `EvaluationTarget`
    """

    bundle: Bundle
    data: Prepared
    space: str

    @property
    def start(self) -> Support | None:
        """What the images began as: rows of the train split they were learned from; None where these are not known."""
        made, rows = self.bundle.manifest, self.bundle.init_indices
        if made.fingerprint != self.space or np.any(rows == NO_START):
            return None
        return real_support(self.data.train, rows, len(made.class_names), self.bundle.images.dtype)


def evaluation_folder(bundle: Path) -> Path:
    """Return where what is found about a bundle is kept by default: beside it."""
    return bundle.absolute().parent / f"{bundle.absolute().name}-evaluation"


def of_bundle(folder: Path, prepared: str | None, rewhiten: bool, shift: Sequence[str] = ()) -> EvaluationTarget:
    """Return the images of a bundle, on data that are whitened as it says.

    shift: as in `shifted`

    Raises:
      UserError: see `bundle_data` and `shifted`.
      DataError: the prepared data are missing or damaged.
    """
    bundle, data, space = bundle_data(folder, prepared, rewhiten)
    made = bundle.manifest
    support = Support(bundle.images, bundle.labels.astype(np.float64))
    return shifted(_subject(support, data, space, made.kernel, made.ridge, made.flip, made.seed), data, shift)


def bundle_data(folder: Path, prepared: str | None, rewhiten: bool) -> BundleData:
    """Return a bundle with data that are whitened as it says.

    Raises:
      UserError: the bundle is damaged, no prepared data are named, they have other images or classes, or another
        whitening and `rewhiten` is not set or is impossible.
      DataError: the prepared data are missing or damaged.
    """
    bundle = read_bundle(folder)
    if prepared is None:
        raise UserError(
            f"{folder} is a bundle, which holds no test images: name a prepared data set with --prepared DIR "
            f"(kdistill prepare makes one of {bundle.manifest.dataset})"
        )
    data = load(prepared)
    _check_same_classes(folder, bundle, prepared, data)
    space = data.manifest.fingerprint
    if not same_space(bundle.whitener, data.whitener, data.probe):
        if not rewhiten:
            raise UserError(
                f"{folder} lives in the space of whitening {bundle.whitener.kind!r}, {prepared} in another "
                f"({data.whitener.kind!r}), where the set would seem worth less than it is: prepare the data with that "
                "whitening, or give --rewhiten to whiten these anew by the transform in the bundle"
            )
        data, space = (
            in_space_of(bundle.whitener, data, prepared, str(folder), "--prepared"),
            f"{space}, whitened by {bundle.manifest.fingerprint}",
        )
    return BundleData(bundle, data, space)


def _subject(
    support: Support, data: Prepared, space: str, kernel: KernelConfig, ridge: float, flip: bool, seed: int
) -> EvaluationTarget:
    manifest = data.manifest
    splits = data.train, data.validation, data.test
    return EvaluationTarget(
        support, *splits, manifest.name, len(manifest.class_names), space, kernel, ridge, flip, seed
    )


def _check_same_classes(folder: Path, bundle: Bundle, prepared: str, data: Prepared) -> None:
    for name, there, here in (
        ("images", bundle.images.shape[1:], tuple(data.manifest.image_shape)),
        ("classes", tuple(bundle.manifest.class_names), tuple(data.manifest.class_names)),
    ):
        if there != here:
            raise UserError(
                f"{folder} has {name} {_short(there)}, {prepared} has {_short(here)}: name the prepared data set of "
                f"{bundle.manifest.dataset} with --prepared"
            )


def _short(values: Sequence[object]) -> str:
    shown = ", ".join(map(str, values[:5]))
    return f"({shown}, ...)" if len(values) > 5 else f"({shown})"
