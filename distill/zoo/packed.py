"""A bundle as one small file: half-precision images, the part of the whitening that matters, no picture."""

import io
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from etils import epath

from kerneldistill.bundle.contact_sheet import SheetContents, draw_sheet
from kerneldistill.bundle.location import MARKS
from kerneldistill.bundle.manifest import BundleManifest
from kerneldistill.bundle.reader import read_bundle
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import sha256, write_whole
from kerneldistill.pipeline.storage.publish import check_output, publish, sole_writer, staging_folder
from kerneldistill.pipeline.untrusted.document import read_json
from kerneldistill.pipeline.untrusted.numpy_arrays import read_npz
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.zoo.small_matrix import coded, decoded

MOST_BYTES = 200_000
# Of a bundle, kept as they are.
_TEXTS = ("manifest.json", "results.json", "README.md")
_ARRAYS = ("images", "labels", "class_ids", "init_indices")
_MATRICES = ("W", "W_inv")
_WHITENER = tuple(field.name for field in fields(Whitener) if field.name not in _MATRICES)


def pack(folder: Path, file: Path, results: Mapping[str, Any]) -> None:
    """Write the bundle in `folder` as one file.

    Args:
      folder: of the bundle
      file: to write
      results: what is measured of the packed set, in place of its results.json

    Raises:
      UserError: it is no bundle, is whitened in blocks, or takes more than `MOST_BYTES`.
    """
    bundle = read_bundle(folder)
    whitener = bundle.whitener
    if whitener.block:
        raise UserError(f"{folder} is whitened in blocks, allowed in the zoo is a whitening of whole images or none")
    arrays: dict[str, Any] = {name: getattr(bundle, name) for name in _ARRAYS} | {"probe": bundle.probe}
    arrays["images"] = bundle.images.astype(np.float16)
    arrays |= {f"whitener.{name}": getattr(whitener, name) for name in _WHITENER}
    texts = {name: (folder / name).read_bytes() for name in _TEXTS}
    texts["results.json"] = (json.dumps(results, indent=2, allow_nan=False) + "\n").encode()
    arrays |= {f"text.{name}": np.frombuffer(text, np.uint8) for name, text in texts.items()}
    if whitener.W.size:
        arrays |= {f"W.{name}": value for name, value in coded(whitener.W, whitener.image_shape).items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    if len(buffer.getvalue()) > MOST_BYTES:
        raise UserError(f"{folder} takes {len(buffer.getvalue()):,} bytes, allowed in the zoo are {MOST_BYTES:,}")
    write_whole(file, buffer.getvalue())


def described(file: Path) -> tuple[BundleManifest, Any]:
    """Read the manifest and the results of a packed set alone."""
    arrays = read_npz(file, texts=True)
    manifest, results = (bytes(arrays[f"text.{name}"]) for name in ("manifest.json", "results.json"))
    return BundleManifest.from_json(manifest, str(file)), read_json(results, str(file))


def unpack(file: Path, folder: Path) -> None:
    """Write a packed set as a bundle, whole or not at all; a bundle that is there is replaced.

    Raises:
      DataError: the folder holds something else, or cannot be written; or the file is damaged.
    """
    arrays = read_npz(file, texts=True)
    whitener, out = _whitener(arrays), check_output(epath.Path(folder.absolute()), MARKS)
    manifest = BundleManifest.from_json(bytes(arrays["text.manifest.json"]), str(file))
    images = arrays["images"].astype(np.float32)
    with sole_writer(out), staging_folder(out, manifest.fingerprint) as staging:
        for name in _TEXTS[1:]:
            write_whole(staging / name, bytes(arrays[f"text.{name}"]))
        whitener.save(staging / "transform.npz")
        support = {name: arrays[name] for name in _ARRAYS} | {"images": images}
        probe = {"raw": arrays["probe"], "transformed": whitener.apply(arrays["probe"])}
        for name, content in (("support.npz", support), ("probe.npz", probe)):
            buffer = io.BytesIO()
            np.savez(buffer, allow_pickle=False, **content)
            write_whole(staging / name, buffer.getvalue())
        sheet = SheetContents(
            learned=whitener.invert(images),
            starts=None,
            class_ids=arrays["class_ids"],
            class_names=manifest.class_names,
            title=f"{manifest.dataset}: {len(images)} learned images",
            name="learned",
            labels=None if manifest.label_mode == "fixed" else arrays["labels"],
        )
        picture = io.BytesIO()
        draw_sheet(sheet).save(picture, format="PNG")
        write_whole(staging / "support.png", picture.getvalue())
        digests = {written.name: sha256(written) for written in sorted(staging.iterdir())}
        write_whole(staging / "manifest.json", replace(manifest, files=digests).to_json().encode())
        publish(staging, out)


def _whitener(arrays: Mapping[str, np.ndarray]) -> Whitener:
    values: dict[str, Any] = {name: arrays[f"whitener.{name}"] for name in _WHITENER}
    scalars = {name: value.item() for name, value in values.items() if value.ndim == 0}
    shape = tuple(values["image_shape"].tolist())
    parts = {name.removeprefix("W."): value for name, value in arrays.items() if name.startswith("W.")}
    W, W_inv = decoded(parts, shape) if parts else (np.empty((0, 0)), np.empty((0, 0)))
    return Whitener(**{**values, **scalars, "image_shape": shape, "W": W, "W_inv": W_inv})
