"""The .npz of KIP, RFAD and FRePo: keys `images` or `image`, `labels` or `label`.

KIP (google-research/kip)   images [n, h, w, c], labels [n, k] centred one-hot or learned
RFAD (yolky/RFAD)           images [n, c, h, w], labels [n, k] centred, k, jit, valid_loss
FRePo (yongchaoz/FRePo)     image [n, h, w, c], label [n, k] learned

The names of KIP and FRePo tell the step: ..._ckpt1000.npz, step000100.npz.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kerneldistill.bundle.formats.foreign_set import ForeignSet, Layout, foreign_set
from kerneldistill.errors import UserError
from kerneldistill.pipeline.untrusted.numpy_arrays import read_npz

_STEP = re.compile(r"(?:_ckpt|^step)(\d{1,9})\.npz$")


def detects(path: Path, head: bytes) -> bool:
    """Return whether a file is a zip archive; a .pt is told before."""
    return head[:2] == b"PK"


def read(path: Path, layout: Layout | None = None) -> ForeignSet:
    """Read an .npz of any of the three.

    Raises:
      UserError: it has no such arrays, or they are not what they should be.
    """
    arrays = read_npz(path)
    images, labels = _named(arrays, path, "images", "image"), _named(arrays, path, "labels", "label")
    named = _STEP.search(path.name)
    return foreign_set(f"npz of {_program(arrays)}", images, labels, layout, int(named[1]) if named else None)


def _named(arrays: Mapping[str, np.ndarray], path: Path, *names: str) -> np.ndarray:
    found = [name for name in names if name in arrays]
    if len(found) != 1:
        raise UserError(f"{path} holds {sorted(arrays)[:10]}, needed is one of {' and '.join(names)}")
    return arrays[found[0]]


def _program(arrays: Mapping[str, np.ndarray]) -> str:
    if "image" in arrays:
        return "FRePo"
    return "RFAD" if {"k", "jit"} <= set(arrays) else "KIP"
