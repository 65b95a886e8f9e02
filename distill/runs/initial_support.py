"""Where a support begins: real images, noise, or a set that was distilled before."""

import io
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.random_streams import Stream, balanced, generator
from kerneldistill.algorithms.support import NO_START, Start, Support, real_support
from kerneldistill.bundle.location import is_bundle
from kerneldistill.bundle.reader import read_bundle
from kerneldistill.bundle.whitened_space import same_space
from kerneldistill.config.data_limits import images_per_class
from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.pipeline import Prepared
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.pipeline.storage.manifest import WHITENER
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.runs.bring_up import Learned, start_from
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.stored_arrays import stored_arrays
from kerneldistill.runs.training.metrics import MetricsLog
from kerneldistill.runtime.distributed import collectives

_REMEDY = (
    "remove it, and the run begins from its --support.start or --coarse again where no step is done, or run it again "
    "in another --dir"
)
# Images whose mean and deviation noise has.
_SAMPLE = 1000


class Spent(NamedTuple):
    """What it took to come to a start, in the levels before. seconds: on the clock. processor: of this process."""

    seconds: float = 0.0
    processor: float = 0.0


def save_start(start: Start, path: Path, spent: Spent) -> None:
    """Write an .npz, whole or not at all."""
    buffer = io.BytesIO()
    arrays = start.support._asdict()
    np.savez(buffer, **arrays, init_indices=start.init_indices, class_ids=start.class_ids, spent=spent)
    write_whole(path, buffer.getvalue())


def load_start(path: Path) -> Start:
    """Read what `save_start` wrote.

    Raises:
      UserError: it is damaged.
    """
    with stored_arrays(path, _REMEDY) as file:
        return Start(Support(file["images"], file["labels"]), file["init_indices"], file["class_ids"])


def spent_before(path: Path) -> Spent:
    """Read what `save_start` was told; nothing if there is no such file.

    Raises:
      UserError: it is damaged.
    """
    if not path.exists():
        return Spent()
    with stored_arrays(path, _REMEDY) as file:
        return Spent(*map(float, file["spent"]))


def bundle_folder(start: str) -> Path:
    """Return the folder of the bundle that `support.start` names: itself, or the bundle of a run directory.

    Raises:
      UserError: there is no bundle.
    """
    folder = Path(start).expanduser()
    for place in (folder, folder / "bundle"):
        if is_bundle(place):
            return place
    raise UserError(
        f"support.start is {start!r}, allowed is real, noise, or a folder with a bundle or a finished run; this is "
        "neither: name another one with --support.start"
    )


def start_of(config: Config, data: Prepared, kept: Path, coarse: RunDir | None = None) -> Start:
    """Make the start that `config.support` names, or the one that the level before has learned.

    Args:
      config: of the run
      data: prepared
      kept: file in which a set that comes from elsewhere is kept, so that a resumed run does not depend on it
      coarse: the run of the level before, done; None where there is none

    Raises:
      UserError: the set that is named is damaged, or does not suit the data or the configuration.
    """
    if collectives.from_first(kept.exists):
        return load_start(kept)
    if coarse is None and config.support.start in ("real", "noise"):
        return _real(config, data) if config.support.start == "real" else _noise(config, data)
    began = time.perf_counter(), time.process_time()
    if coarse is None:
        learned, before = _of_bundle(config, data, Path(config.support.start).expanduser()), Spent()
        refit = not same_space(learned.whitener, data.whitener, data.probe)
    else:
        learned, before, refit = _of_level(coarse), _spent_at(coarse), True
    start = start_from(learned, config, data, refit)
    seconds, processor = time.perf_counter() - began[0], time.process_time() - began[1]
    spent = Spent(before.seconds + seconds, before.processor + processor)
    collectives.from_first(lambda: save_start(start, kept, spent))
    return load_start(kept)


def _real(config: Config, data: Prepared) -> Start:
    num_classes, dtype = len(data.manifest.class_names), np.dtype(config.kernel.dtype)
    rows = balanced(data.train.labels, num_classes, config.support.size, generator(config.seed, Stream.START))
    return Start(real_support(data.train, rows, num_classes, dtype), rows, data.train.labels[rows])


def _noise(config: Config, data: Prepared) -> Start:
    """Draw normal pixels with the mean and the deviation that real images have at their place."""
    num_classes, size, rng = len(data.manifest.class_names), config.support.size, generator(config.seed, Stream.START)
    real = data.train.images[balanced(data.train.labels, num_classes, _SAMPLE, rng)].astype(np.float64)
    images = real.mean(0) + real.std(0) * rng.standard_normal((size, *real.shape[1:]))
    class_ids = np.repeat(np.arange(num_classes, dtype=np.int32), images_per_class(size, num_classes))
    support = Support(images.astype(config.kernel.dtype), centred_one_hot(class_ids, num_classes))
    return Start(support, np.full(size, NO_START), class_ids)


def _of_bundle(config: Config, data: Prepared, folder: Path) -> Learned:
    bundle = read_bundle(bundle_folder(config.support.start))
    here, there = data.manifest, bundle.manifest
    if tuple(there.class_names) != tuple(here.class_names):
        raise UserError(
            f"support.start is {folder}, a set of the classes {', '.join(there.class_names)}; allowed are those of "
            f"{here.name}, in their order: {', '.join(here.class_names)}: name another set with --support.start"
        )
    if bundle.images.shape[-1] != here.image_shape[-1]:
        raise UserError(
            f"support.start is {folder}, a set of images of {bundle.images.shape[-1]} channels; allowed are "
            f"{here.image_shape[-1]}, as {here.name} has: name another set with --support.start"
        )
    if len(bundle.images) != config.support.size:
        raise UserError(
            f"support.size is {config.support.size}, but {folder} holds {len(bundle.images)} images: "
            f"set --support.size {len(bundle.images)}"
        )
    order = np.argsort(bundle.class_ids, kind="stable")
    return Learned(bundle.images[order], bundle.labels[order], bundle.class_ids[order], bundle.whitener)


def _of_level(coarse: RunDir) -> Learned:
    outcome = Outcome.load(coarse.outcome_file)
    whitener = Whitener.load(coarse.prepared / WHITENER)
    return Learned(*outcome.support, outcome.start.class_ids, whitener)


def _spent_at(coarse: RunDir) -> Spent:
    """The time that a run took with the levels before it."""
    *_, last = ({}, *MetricsLog(coarse.metrics_file).read())
    return Spent(last.get("elapsed", 0.0), last.get("elapsed_processor", 0.0))
