"""The bundle: a distilled set as a folder that explains itself, with all it needs to be used elsewhere.

    support.npz    images float32 [n, h, w, c], labels float32 [n, k], class_ids int32 [n], init_indices int32 [n]
    transform.npz  the whitening and its inverse: the space the images live in
    probe.npz      raw uint8 [p, h, w, c] test images and what the whitening makes of them, float32
    support.png    the images, un-whitened, beside what they began as
    results.json   what was measured
    manifest.json  where everything comes from, and a sha256 of every other file
    README.md      lines that predict with it, whiten in numpy, and train a network on it in torch and in flax

Rows are class-major: all images of class 0, then of class 1, and so on. Equal contents give equal bytes.
`kerneldistill.bundle.reader` reads it, and says what is checked.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from etils import epath

from kerneldistill.algorithms.support import LabelMode
from kerneldistill.bundle.contact_sheet import SheetContents, draw_sheet
from kerneldistill.bundle.encoder_record import EncoderRecord
from kerneldistill.bundle.location import MARKS
from kerneldistill.bundle.manifest import BundleManifest, Origin
from kerneldistill.bundle.reader import Bundle, read_bundle
from kerneldistill.bundle.readme import readme
from kerneldistill.config.schema import Config
from kerneldistill.config.toml import config_digest
from kerneldistill.pipeline.storage.files import sha256, write_whole
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.pipeline.storage.publish import check_output, publish, sole_writer, staging_folder
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.runtime.environment import code_version

__all__ = ["Bundle", "BundleContents", "read_bundle", "sheet_of", "write_bundle"]

# Of the source data, as its makers state it.
LICENCES = {
    "digits": "CC BY 4.0 (UCI Machine Learning Repository, Optical Recognition of Handwritten Digits)",
    "fashion_mnist": "MIT (Zalando SE, 2017)",
}
UNKNOWN_LICENCE = "not known to kerneldistill: ask the makers of the data set before you pass images on"


@dataclass(frozen=True, eq=False)
class BundleContents:
    """What a run knows when it exports.

    images: float [n, h, w, c] learned images, whitened space
    labels: float [n, k] their labels: centred one-hot, learned, or solved for
    class_ids: int [n] class each image began in
    init_indices: int [n] row of the prepared training split each image began as; -1 where it is not known
    starts: float32 [n, h, w, c] these rows, whitened space; None where they are not known
    label_mode: how the labels came about
    step: outer steps done
    results: what was measured, of JSON's types
    config: of the run
    source: manifest of the prepared data set
    whitener: pixels to the space of `images`
    probe: uint8 [p, h, w, c] the first raw test images
    ridge: of the regression, relative; None for that of `config`
    origin: where an imported set comes from; None for one that was distilled here
    encoder: whose features it was learned on; None where the kernel is that of a network
    """

    images: np.ndarray
    labels: np.ndarray
    class_ids: np.ndarray
    init_indices: np.ndarray
    starts: np.ndarray | None
    label_mode: LabelMode
    step: int
    results: Mapping[str, Any]
    config: Config
    source: Manifest
    whitener: Whitener
    probe: np.ndarray
    ridge: float | None = None
    origin: Origin | None = None
    encoder: EncoderRecord | None = None


def write_bundle(folder: Path, contents: BundleContents) -> None:
    """Write a bundle, whole or not at all; a bundle that is there already is replaced in one step.

    Raises:
      ValueError: an array's shape contradicts the others'.
      DataError: another process is writing there, or the folder holds something that is no bundle.
    """
    _check_shapes(contents)
    out = epath.Path(folder.absolute())
    check_output(out, MARKS)
    with sole_writer(out), staging_folder(out, contents.source.fingerprint) as staging:
        contents.whitener.save(staging / "transform.npz")
        for name, content in _files(contents).items():
            write_whole(staging / name, content)
        digests = {file.name: sha256(file) for file in sorted(staging.iterdir())}
        write_whole(staging / "manifest.json", _manifest(contents, digests).to_json().encode())
        publish(staging, out)


def sheet_of(contents: BundleContents) -> SheetContents:
    """Return the picture of a bundle's images, as pixels."""
    name = "real" if contents.label_mode == "label_solve" else "learned"
    steps = f" after {contents.step} step{'s' * (contents.step != 1)}" if contents.step else ""
    made = {"real": "real images, labels solved for", "learned": f"learned images{steps}"}[name]
    if contents.origin is not None:
        name, made = "imported", f"images from {contents.origin.file}"
    shown = contents.starts if name == "learned" else None
    return SheetContents(
        learned=contents.whitener.invert(np.asarray(contents.images, np.float32)),
        starts=None if shown is None else contents.whitener.invert(shown),
        class_ids=contents.class_ids,
        class_names=contents.source.class_names,
        title=f"{contents.source.name}: {len(contents.images)} {made}",
        name=name,
        labels=None if contents.label_mode == "fixed" else contents.labels,
    )


def _check_shapes(contents: BundleContents) -> None:
    n, k = len(contents.images), len(contents.source.class_names)
    needed = {
        "images": (n, *contents.source.image_shape),
        "labels": (n, k),
        "class_ids": (n,),
        "init_indices": (n,),
        "starts": (n, *contents.source.image_shape),
        "probe": (len(contents.probe), *contents.source.image_shape),
    }
    for name, shape in needed.items():
        array = getattr(contents, name)
        if array is not None and array.shape != shape:
            raise ValueError(f"{name} is {array.shape}, must be {shape}")


def _files(contents: BundleContents) -> dict[str, bytes]:
    """Return every file but the transform and the manifest, by name."""
    order = np.argsort(contents.class_ids, kind="stable")
    picture = io.BytesIO()
    draw_sheet(sheet_of(contents)).save(picture, format="PNG")
    return {
        "support.npz": _npz(
            images=np.asarray(contents.images, np.float32)[order],
            labels=np.asarray(contents.labels, np.float32)[order],
            class_ids=np.asarray(contents.class_ids, np.int32)[order],
            init_indices=np.asarray(contents.init_indices, np.int32)[order],
        ),
        "probe.npz": _npz(raw=contents.probe, transformed=contents.whitener.apply(contents.probe)),
        "support.png": picture.getvalue(),
        "results.json": (json.dumps(contents.results, indent=2, allow_nan=False) + "\n").encode(),
        "README.md": readme(
            contents.source,
            len(contents.images),
            contents.label_mode,
            contents.whitener.kind,
            contents.config.kernel,
            _ridge(contents),
            contents.origin,
            contents.config.support.flip,
        ).encode(),
    }


def _npz(**arrays: Any) -> bytes:
    # numpy dates every member 1980: equal arrays give equal bytes.
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _ridge(contents: BundleContents) -> float:
    return contents.config.krr.ridge if contents.ridge is None else contents.ridge


def _manifest(contents: BundleContents, digests: Mapping[str, str]) -> BundleManifest:
    config, source = contents.config, contents.source
    counts = np.bincount(contents.class_ids, minlength=len(source.class_names))
    return BundleManifest(
        dataset=source.name,
        dataset_version=source.version,
        source_fingerprint=source.source_fingerprint,
        fingerprint=source.fingerprint,
        licence=LICENCES.get(source.name, UNKNOWN_LICENCE),
        class_names=tuple(source.class_names),
        kernel=config.kernel,
        ridge=_ridge(contents),
        support_size=len(contents.images),
        images_per_class=tuple(counts.tolist()),
        label_mode=contents.label_mode,
        step=contents.step,
        seed=config.seed,
        validation_seed=config.data.seed,
        dtypes={"kernel": config.kernel.dtype, "solve": "float64", "stored": "float32"},
        config_sha256=config_digest(config),
        code_version=code_version(),
        jax_version=metadata.version("jax"),
        files=digests,
        augmented=bool(config.augment.names),
        flip=config.support.flip,
        origin=contents.origin,
        train_images=source.count("train"),
        encoder=contents.encoder,
    )
