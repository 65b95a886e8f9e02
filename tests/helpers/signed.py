"""Bundles that lie and are signed: what a stranger writes who makes every digest match."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kerneldistill.bundle.manifest import _digest
from kerneldistill.pipeline.storage.files import sha256


def sign(bundle: Path, **changes: object) -> None:
    """Change the manifest, and make its digests those of the files."""
    document = {**json.loads((bundle / "manifest.json").read_text()), **changes}
    document.pop("digest")
    if "files" not in changes:
        document["files"] = {name: sha256(bundle / name) for name in document["files"]}
    (bundle / "manifest.json").write_text(json.dumps({"digest": _digest(document), **document}))


def change_array(bundle: Path, file: str, name: str, change: Callable[[np.ndarray], object]) -> None:
    """Change one array of an .npz, and sign."""
    with np.load(bundle / file) as stored:
        arrays = dict(stored)
    with np.errstate(all="ignore"):
        arrays[name] = np.asarray(change(arrays[name]))
    np.savez(bundle / file, **arrays)
    sign(bundle)
