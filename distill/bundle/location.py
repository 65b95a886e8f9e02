"""Whether a folder is a bundle: the only definition of it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etils import epath

# A prepared data set has a manifest.json, a set for the Hugging Face hub a transform.npz.
MARKS = ("support.npz", "transform.npz")


def is_bundle(folder: "Path | epath.Path") -> bool:
    """Return whether a folder holds two of the files that tell a bundle: it may have lost the third, to be reported."""
    return sum((folder / name).exists() for name in ("manifest.json", *MARKS)) >= 2
