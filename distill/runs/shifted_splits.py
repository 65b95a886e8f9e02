"""Shifted test splits: named corruptions of the test images, or the test images of other prepared data."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerneldistill.errors import UserError
from kerneldistill.evaluation.corruptions import CORRUPTIONS
from kerneldistill.evaluation.evaluation_target import EvaluationTarget
from kerneldistill.evaluation.shift_names import corruptions_in
from kerneldistill.pipeline import Prepared, load
from kerneldistill.pipeline.split import Split
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.runs.rewhitened import in_space_of


def shifted(target: EvaluationTarget, data: Prepared, names: Sequence[str]) -> EvaluationTarget:
    """Return a target with shifted test splits.

    Args:
      target: without
      data: its splits and whitening
      names: corruptions, `all` of them, or folders of prepared data whose test images are taken

    Raises:
      UserError: prepared data have other images or classes, or cannot be whitened as these.
      DataError: prepared data are damaged.
    """
    splits, spaces = {}, []
    for name in corruptions_in(names):
        if name in CORRUPTIONS:
            splits[name] = _corrupted(data, name)
            spaces.append(name)
        else:
            other = load(name)
            _check_alike(name, other.manifest, data.manifest)
            splits[Path(name).name] = in_space_of(data.whitener, other, name, "the shifted test", "--shift").test
            spaces.append(other.manifest.fingerprint)
    return target._replace(shifts=splits, shifted_space=", ".join(spaces))


def _corrupted(data: Prepared, name: str) -> Split:
    pixels = np.round(np.clip(data.whitener.invert(data.test.images), 0, 255)).astype(np.uint8)
    return Split(data.whitener.apply(CORRUPTIONS[name](pixels)), data.test.labels)


def _check_alike(name: str, theirs: Manifest, ours: Manifest) -> None:
    for what in ("image_shape", "class_names"):
        there, here = tuple(getattr(theirs, what)), tuple(getattr(ours, what))
        if there != here:
            said = "images" if what == "image_shape" else "classes"
            raise UserError(
                f"--shift has {name}, whose {said} are {there!r:.60}, the data's are {here!r:.60}: prepare them alike, "
                "with kdistill prepare"
            )
