"""Reading a bundle: every file and every array of it is looked at before it is believed, and faults are named.

A bundle may come from a stranger. Its digests find accidents; they do not stop one who writes them anew, so the arrays
are held to shapes, types and limits too, and nothing in it is ever executed.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerneldistill.algorithms.support import NO_START
from kerneldistill.bundle.manifest import BundleManifest
from kerneldistill.bundle.whitened_space import PROBE_TOLERANCE, largest_difference
from kerneldistill.config.data_limits import check_image
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import names_below, sha256
from kerneldistill.pipeline.untrusted.document import read_json
from kerneldistill.pipeline.untrusted.file import read_bounded
from kerneldistill.pipeline.untrusted.limits import MAX_BYTES, MAX_IMAGE_VALUE, MAX_LABEL_VALUE, MAX_PICKLE_BYTES
from kerneldistill.pipeline.untrusted.names import printable
from kerneldistill.pipeline.untrusted.numpy_arrays import read_npz
from kerneldistill.pipeline.whitening.whitener import Whitener

FILES = ("README.md", "probe.npz", "results.json", "support.npz", "support.png", "transform.npz")
# Where a bundle does not say how many images were trained on.
MOST_ROWS = 10**8
_AGAIN = "copy the whole bundle again, or export it again"


@dataclass(frozen=True, eq=False)
class Bundle:
    """A distilled set, checked.

    images: float32 [n, h, w, c] in the whitened space
    labels: float32 [n, k]
    class_ids: int32 [n] class each image began in
    init_indices: int32 [n] row of the prepared training split each image began as; NO_START where that is not known
    whitener: pixels to the whitened space, and back
    probe: uint8 [p, h, w, c] raw test images
    manifest: where it comes from
    results: what was measured
    """

    images: np.ndarray
    labels: np.ndarray
    class_ids: np.ndarray
    init_indices: np.ndarray
    whitener: Whitener
    probe: np.ndarray
    manifest: BundleManifest
    results: dict[str, Any]


def find_problems(folder: Path) -> Iterator[str]:
    """Yield everything that is wrong with the bundle in `folder`, one complete line each."""
    try:
        manifest = BundleManifest.from_file(folder / "manifest.json")
    except UserError as error:
        yield str(error)
        return
    damaged = list(_file_problems(folder, manifest))
    yield from damaged
    for name in sorted({*names_below(folder)} - {*FILES, *manifest.files, "manifest.json"}):
        yield f"{folder / printable(name)} is not of this bundle: remove it"
    # What follows reads the files, and would only say again that they are damaged.
    if not damaged:
        try:
            yield from _content_problems(folder, _read(folder, manifest))
        except UserError as error:
            yield str(error)


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle, checking every digest, every array, and the whitening on the probe. Other files are left alone.

    Raises:
      UserError: it is no bundle, of another schema, a file is missing or damaged, its arrays contradict each other, or
        its whitening does not give what it gave when it was written.
    """
    manifest = BundleManifest.from_file(folder / "manifest.json")
    _refuse(next(_file_problems(folder, manifest), None))
    bundle = _read(folder, manifest)
    _refuse(next(_content_problems(folder, bundle), None))
    return bundle


def _refuse(fault: str | None) -> None:
    if fault is not None:
        raise UserError(fault)


def _file_problems(folder: Path, manifest: BundleManifest) -> Iterator[str]:
    """Yield files that are missing or damaged."""
    for name in sorted({*FILES, *manifest.files}):
        file = folder / name
        if Path(name).name != name or name not in manifest.files:
            yield f"{folder / 'manifest.json'} lists other files than {FILES}: {_AGAIN}"
            return
        if not file.is_file():
            yield f"{file} is missing: {_AGAIN}"
        elif file.stat().st_size > MAX_BYTES or sha256(file) != manifest.files[name]:
            yield f"{file} is damaged, its sha256 is not the manifest's: {_AGAIN}"


def _read(folder: Path, manifest: BundleManifest) -> Bundle:
    """Return the arrays, not yet held against each other.

    Raises:
      UserError: an array is missing or not allowed.
    """
    try:
        support, probe = read_npz(folder / "support.npz"), read_npz(folder / "probe.npz")
        results = folder / "results.json"
        return Bundle(
            images=support["images"],
            labels=support["labels"],
            class_ids=support["class_ids"],
            init_indices=support["init_indices"],
            whitener=Whitener.load(folder / "transform.npz"),
            probe=probe["raw"],
            manifest=manifest,
            results=read_json(read_bounded(results, MAX_PICKLE_BYTES), str(results)),
        )
    except UserError:
        raise
    except Exception as error:  # of any class: it depends on what is wrong
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise UserError(f"{folder} is no bundle that can be read ({why}): {_AGAIN}") from error


def _content_problems(folder: Path, bundle: Bundle) -> Iterator[str]:
    """Yield arrays and numbers that contradict each other."""
    wrong = list(_array_problems(bundle))
    yield from (f"{folder}: {fault}: {_AGAIN}" for fault in wrong)
    if wrong:
        return
    try:
        probe = read_npz(folder / "probe.npz")
        with np.errstate(all="ignore"):
            error = largest_difference(bundle.whitener.apply(probe["raw"]), probe["transformed"])
    except Exception as fault:  # of any class: a whitening that is none fails where it will
        yield f"{folder}: the whitening cannot be applied to the probe ({type(fault).__name__}): {_AGAIN}"
        return
    if not error <= PROBE_TOLERANCE:
        yield (
            f"{folder}: whitening the probe gives values {error:.2g} away from those stored, allowed is "
            f"{PROBE_TOLERANCE:g}: this version whitens differently than the one that wrote the bundle; use that one"
        )


def _array_problems(bundle: Bundle) -> Iterator[str]:
    manifest, shape = bundle.manifest, tuple(bundle.whitener.image_shape)
    n, k = manifest.support_size, len(manifest.class_names)
    needed = {
        "images": ("float32", (n, *shape)),
        "labels": ("float32", (n, k)),
        "class_ids": ("int32", (n,)),
        "init_indices": ("int32", (n,)),
        # Of at least one image: on it the whitening is checked.
        "probe": ("uint8", (max(1, len(bundle.probe)) if bundle.probe.ndim else 1, *shape)),
    }
    wrong = False
    for name, (dtype, wanted) in needed.items():
        array = getattr(bundle, name)
        if array.dtype != dtype or array.shape != wanted:
            wrong = True
            yield f"{name} is {array.dtype} {array.shape}, needed is {dtype} {wanted}"
    if wrong:
        return
    if n < 1 or np.any(bundle.class_ids < 0) or np.any(bundle.class_ids >= k) or np.any(np.diff(bundle.class_ids) < 0):
        yield f"class_ids are not classes from 0 to {k - 1} in their order"
    elif tuple(np.bincount(bundle.class_ids, minlength=k).tolist()) != tuple(manifest.images_per_class):
        yield f"class_ids are not {manifest.images_per_class} images of each class, as the manifest says"
    for name, largest in (("images", MAX_IMAGE_VALUE), ("labels", MAX_LABEL_VALUE)):
        if not float(np.abs(getattr(bundle, name)).max()) <= largest:  # nan where one is
            yield f"{name} are not finite numbers up to {largest:g}"
    known = bundle.init_indices[bundle.init_indices != NO_START]
    rows = manifest.train_images or MOST_ROWS
    if np.any(known < 0) or np.any(known >= rows) or len(np.unique(known)) < len(known):
        yield f"init_indices are not different rows from 0 to {rows - 1} of a training split"
    try:
        check_image(manifest.kernel, shape)
    except UserError as error:
        yield f"the kernel does not suit the images: {error}"
    yield from _result_problems(bundle.results)


def _result_problems(results: Any) -> Iterator[str]:
    """Yield what is wrong with the two figures of results.json that other formats take over."""
    measured = results.get("learned", {}) if isinstance(results, dict) else None
    if not isinstance(measured, dict):
        yield "results.json is no table of what was measured"
        return
    for name, largest in (("accuracy", 1.0), ("mse", math.inf)):
        value = measured.get(name, 0.0)
        if type(value) not in (int, float) or not 0 <= value <= largest or math.isinf(value):
            yield f"results.json says learned.{name} is {value!r:.40}, allowed is a finite number from 0 up"
