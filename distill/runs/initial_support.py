"""Where a support begins: real images, noise, or a set that was distilled before."""

import io
from pathlib import Path

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
from kerneldistill.runs.stored_arrays import stored_arrays
from kerneldistill.runtime.distributed import collectives

# Images whose mean and deviation noise has.
_SAMPLE = 1000


def save_start(start: Start, path: Path) -> None:
    """Write an .npz, whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, **start.support._asdict(), init_indices=start.init_indices, class_ids=start.class_ids)
    write_whole(path, buffer.getvalue())


def load_start(path: Path) -> Start:
    """Read what `save_start` wrote.

    Raises:
      UserError: it is damaged.
    """
    remedy = (
        "remove it, and the run begins from its --support.start again where no step is done, or run it again in "
        "another --dir"
    )
    with stored_arrays(path, remedy) as file:
        return Start(Support(file["images"], file["labels"]), file["init_indices"], file["class_ids"])


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


def start_of(config: Config, data: Prepared, kept: Path) -> Start:
    """Make the start that `config.support` names.

    Args:
      config: of the run
      data: prepared
      kept: file in which a set that comes from elsewhere is kept, so that a resumed run does not depend on it

    Raises:
      UserError: the set that is named is damaged, or does not suit the data or the configuration.
    """
    dtype = np.dtype(config.kernel.dtype)
    match config.support.start:
        case "real":
            return _real(config, data, dtype)
        case "noise":
            return _noise(config, data, dtype)
        case folder:

            def keep() -> None:
                if not kept.exists():
                    save_start(_distilled(config, data, Path(folder).expanduser(), dtype), kept)

            collectives.from_first(keep)
            return load_start(kept)


def _real(config: Config, data: Prepared, dtype: np.dtype) -> Start:
    num_classes = len(data.manifest.class_names)
    rows = balanced(data.train.labels, num_classes, config.support.size, generator(config.seed, Stream.START))
    return Start(real_support(data.train, rows, num_classes, dtype), rows, data.train.labels[rows])


def _noise(config: Config, data: Prepared, dtype: np.dtype) -> Start:
    """Draw normal pixels with the mean and the deviation that real images have at their place."""
    num_classes, size, rng = len(data.manifest.class_names), config.support.size, generator(config.seed, Stream.START)
    real = data.train.images[balanced(data.train.labels, num_classes, _SAMPLE, rng)].astype(np.float64)
    images = real.mean(0) + real.std(0) * rng.standard_normal((size, *real.shape[1:]))
    class_ids = np.repeat(np.arange(num_classes, dtype=np.int32), images_per_class(size, num_classes))
    support = Support(images.astype(dtype), centred_one_hot(class_ids, num_classes))
    return Start(support, np.full(size, NO_START), class_ids)


def _distilled(config: Config, data: Prepared, folder: Path, dtype: np.dtype) -> Start:
    bundle = read_bundle(bundle_folder(config.support.start))
    here, there = data.manifest, bundle.manifest
    if tuple(there.class_names) != tuple(here.class_names):
        raise UserError(
            f"support.start is {folder}, a set of the classes {', '.join(there.class_names)}; allowed are those of "
            f"{here.name}, in their order: {', '.join(here.class_names)}: name another set with --support.start"
        )
    if bundle.images.shape[1:] != tuple(here.image_shape):
        raise UserError(
            f"support.start is {folder}, a set of images {bundle.images.shape[1:]}; allowed are those of {here.name}, "
            f"{tuple(here.image_shape)}: name another set with --support.start"
        )
    if len(bundle.images) != config.support.size:
        raise UserError(
            f"support.size is {config.support.size}, but {folder} holds {len(bundle.images)} images: "
            f"set --support.size {len(bundle.images)}"
        )
    order = np.argsort(bundle.class_ids, kind="stable")
    images = bundle.images
    if not same_space(bundle.whitener, data.whitener, data.probe):
        # A whitening that brings each image to length 1 forgets the brightness and contrast that were learned.
        images = data.whitener.apply(bundle.whitener.invert(images))
    support = Support(images[order].astype(dtype), bundle.labels[order].astype(np.float64))
    return Start(support, np.full(len(order), NO_START), bundle.class_ids[order].astype(np.int32))
