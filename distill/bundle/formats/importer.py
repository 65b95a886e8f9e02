"""A set of another program becomes a bundle: its images as they are, with the whitening of data prepared here.

The files of other programs do not say which space their images live in. It is named, by one prepared data set, or
inferred, from several: each predicts validation images, which were held out of train, and the best is taken; all their
accuracies go into the manifest as evidence. Test images play no part in that.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import Support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.bundle.formats.detect import read_foreign
from kerneldistill.bundle.formats.foreign_set import ForeignSet, Labels, Layout, labels_of
from kerneldistill.bundle.formats.normalization import normalised
from kerneldistill.bundle.location import is_bundle
from kerneldistill.bundle.manifest import BundleManifest, Evidence, Origin
from kerneldistill.bundle.reader import NO_START
from kerneldistill.bundle.writer import BundleContents, write_bundle
from kerneldistill.config.schema import Config, KernelConfig, KrrConfig, SupportConfig
from kerneldistill.errors import UserError
from kerneldistill.pipeline.prepared import Prepared, load
from kerneldistill.pipeline.split import Split
from kerneldistill.pipeline.storage.files import names_below, sha256
from kerneldistill.pipeline.whitening.whitening import whitening_of

KnownSpace = Literal["whitened", "normalised", "unit", "pixels"]
Space = Literal["auto"] | KnownSpace


@dataclass(frozen=True)
class ImportJob:
    """What is imported, and how it is to be understood.

    file: of another program
    layout: order of the axes of the images; None: that which makes 1, 3 or 4 channels
    space: what the images are. whitened: as the prepared data. normalised: by the constants of torch programs. unit:
      pixels / 255. pixels: 0 to 255. auto: pixels for uint8; normalised for .pt, where the data are not in kornia_zca;
      else whitened
    kernel: by which the set is judged, and evaluated later
    ridge: of the regression, relative
    evidence: validation images that decide between several prepared sets
    """

    file: Path
    layout: Layout | None
    space: Space
    kernel: KernelConfig
    ridge: float
    evidence: int


@dataclass(frozen=True, eq=False)
class Candidate:
    """The set in the space of one prepared data set.

    data: the prepared data
    images: float32 [n, h, w, c] in its space
    labels: as regression takes them
    space: what the images were taken for
    """

    data: Prepared
    images: np.ndarray
    labels: Labels
    space: Space


def import_set(job: ImportJob, folders: Sequence[str], out: Path) -> Origin:
    """Read a set and write it as a bundle into `out`.

    Args:
      job: what to import.
      folders: prepared data sets; of several, the one whose validation images the set predicts best is taken.
      out: folder of the bundle.

    Raises:
      UserError: the file cannot be read as data, or does not suit the prepared data.
      DataError: a prepared data set cannot be read, or `out` holds something else.
    """
    foreign = read_foreign(job.file, job.layout)
    chosen, evidence = _choose(foreign, folders, job)
    origin = Origin(
        file=job.file.name,
        sha256=digest(job.file),
        kind=foreign.kind,
        layout=foreign.layout,
        labels=chosen.labels.form,
        space=chosen.space,
        evidence=tuple(evidence),
    )
    write_bundle(out, _contents(foreign, chosen, job, origin))
    return origin


def check_free(out: Path, file: Path) -> None:
    """Check, before anything slow, that `out` holds nothing, or what was imported from `file` before.

    Raises:
      UserError: it holds another bundle.
    """
    if not is_bundle(out):
        return
    origin = BundleManifest.from_file(out / "manifest.json").origin
    if origin is None or origin.sha256 != digest(file):
        what = "one that was distilled here" if origin is None else f"one of {origin.file}"
        raise UserError(
            f"--out is {out}, which holds another bundle, {what}: give another folder, or --overwrite to replace it"
        )


def _choose(foreign: ForeignSet, folders: Sequence[str], job: ImportJob) -> tuple[Candidate, list[Evidence]]:
    """Choose among prepared data sets the one whose validation images the set predicts best."""
    first, *others = folders
    chosen = candidate(foreign, load(first), job.space)
    evidence = [_evidence(chosen, job)]
    # One data set in memory at a time, and the best so far.
    for folder in others:
        tried = candidate(foreign, load(folder), job.space)
        evidence.append(_evidence(tried, job))
        if evidence[-1].accuracy >= max(each.accuracy for each in evidence):
            chosen = tried
    return chosen, evidence


def candidate(foreign: ForeignSet, data: Prepared, space: Space = "auto") -> Candidate:
    """Return the set as one of the space of `data`.

    Raises:
      UserError: the images are of another shape, or the labels of another number of classes.
    """
    shape = tuple(data.manifest.image_shape)
    if foreign.images.shape[1:] != shape:
        raise UserError(
            f"images are {foreign.images.shape[1:]}, those of {data.manifest.name} are {shape}: give the data set that "
            "the set was distilled from with --prepared, or its order of axes with --layout"
        )
    labels = labels_of(foreign, len(data.manifest.class_names))
    known = _guess(foreign, data) if space == "auto" else space
    images = foreign.images.astype(np.float32)
    match known:
        case "whitened":
            return Candidate(data, images, labels, known)
        case "normalised":
            pixels = normalised(data.manifest.name, data.whitener, data).invert(images)
        case "unit":
            pixels = images * 255
        case _:
            pixels = images
    return Candidate(data, data.whitener.apply(pixels), labels, known)


def digest(path: Path) -> str:
    """sha256 of a file, or of the names and digests of all files in a folder."""
    if path.is_file():
        return sha256(path)
    lines = [f"{sha256(path / name)}  {name}\n" for name in sorted(names_below(path))]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _guess(foreign: ForeignSet, data: Prepared) -> KnownSpace:
    if foreign.images.dtype == np.uint8:
        return "pixels"
    torch = foreign.kind in ("result of DC", "tensors of MTT")
    return "normalised" if torch and "kornia" not in whitening_of(data.whitener.kind).used_by else "whitened"


def _evidence(each: Candidate, job: ImportJob) -> Evidence:
    """Return the accuracy on the first validation images, or of train where none are held out."""
    split = each.data.validation if len(each.data.validation) else each.data.train
    some = Split(np.asarray(split.images[: job.evidence]), split.labels[: job.evidence])
    engine = engine_of(job.kernel, each.data.manifest.image_shape)
    targets = Targets(engine, some, len(each.data.manifest.class_names))
    support = Support(each.images.astype(engine.dtype), each.labels.values)
    score = evaluate(engine, support, targets, job.ridge)
    return Evidence(each.data.manifest.config.whiten, score.accuracy, len(some))


def _contents(foreign: ForeignSet, chosen: Candidate, job: ImportJob, origin: Origin) -> BundleContents:
    learned = chosen.labels.form in ("learned", "probabilities")
    size = len(chosen.images)
    return BundleContents(
        images=chosen.images,
        labels=chosen.labels.values,
        class_ids=chosen.labels.class_ids,
        init_indices=np.full(size, NO_START),
        starts=None,
        label_mode="learned" if learned else "fixed",
        step=foreign.step or 0,
        results={},
        config=Config(
            data=chosen.data.manifest.config,
            kernel=job.kernel,
            support=SupportConfig(size=size, learn_labels=learned),
            krr=KrrConfig(ridge=job.ridge),
        ),
        source=chosen.data.manifest,
        whitener=chosen.data.whitener,
        probe=chosen.data.probe,
        origin=origin,
    )
