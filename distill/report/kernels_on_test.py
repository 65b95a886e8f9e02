"""Kernels between a support and test images, kept where they are of: they cost minutes, drawing them none."""

import hashlib
import io
import logging
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerneldistill.config.toml import config_digest
from kerneldistill.errors import UserError
from kerneldistill.evaluation.infinite_width import Blocks
from kerneldistill.pipeline.storage.files import sha256, write_whole
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.evaluation_targets import evaluation_folder
from kerneldistill.runs.stored_arrays import stored_arrays

LOG = logging.getLogger(__name__)
_VERSION = 1


@dataclass(frozen=True, eq=False)
class OnTest:
    """What a report needs of test images and of the kernel, with the pictures that go with it.

    ntk_ss, nngp_ss: float [s, s] kernels of the support, in the precision they were computed in
    ntk_ts, nngp_ts: float [t, s] of test images and the support
    nngp_tt: float [t] of each test image with itself
    start_ss: float [s, s] the run's kernel of the images the support began as; of none where these are not known
    start_ts: float [t, s] likewise, with the test images
    start_images: float32 [s, h, w, c] these images, whitened; none where they are not known
    start_labels: float64 [s, k] centred one-hot, likewise
    learned_pixels: float32 [s, h, w, c] the support un-whitened, 0..255 and beyond
    start_pixels: float32 [s, h, w, c] its start likewise
    test_pixels: uint8 [t, h, w, c]
    test_labels: int32 [t]
    test_size: images in the whole test split
    """

    ntk_ss: np.ndarray
    ntk_ts: np.ndarray
    nngp_ss: np.ndarray
    nngp_ts: np.ndarray
    nngp_tt: np.ndarray
    start_ss: np.ndarray
    start_ts: np.ndarray
    start_images: np.ndarray
    start_labels: np.ndarray
    learned_pixels: np.ndarray
    start_pixels: np.ndarray
    test_pixels: np.ndarray
    test_labels: np.ndarray
    test_size: int

    @property
    def ntk(self) -> Blocks:
        """NTK of support and test images, float64."""
        return Blocks(self.ntk_ss.astype(np.float64), self.ntk_ts.astype(np.float64))

    @property
    def nngp(self) -> Blocks:
        """NNGP of support and test images, float64."""
        return Blocks(self.nngp_ss.astype(np.float64), self.nngp_ts.astype(np.float64))

    @property
    def start(self) -> Blocks:
        """The run's kernel of the first images and test images, float64."""
        return Blocks(self.start_ss.astype(np.float64), self.start_ts.astype(np.float64))

    @property
    def knows_start(self) -> bool:
        """Whether it is known what the support began as."""
        return len(self.start_images) > 0

    @property
    def own(self) -> np.ndarray:
        """NNGP of each test image with itself, float64 [t]."""
        return self.nngp_tt.astype(np.float64)


class Place(NamedTuple):
    """Where an `OnTest` is kept. file: of it. key: digest of all that it is a function of."""

    file: Path
    key: str


def place_in_run(rundir: RunDir, test_images: int) -> Place:
    """Return the place of a run's: it is a function of outcome, configuration, data, and how many test images."""
    outcome, fingerprint = sha256(rundir.outcome_file), rundir.fingerprint_file.read_text(encoding="utf-8").strip()
    return _place(rundir.path / "report", outcome, config_digest(rundir.config()), fingerprint, str(test_images))


def place_of_bundle(folder: Path, space: str, test_images: int) -> Place:
    """Return the place of a bundle's, beside it: it is a function of the bundle, the test images and their number.

    space: what the test images are, as in `EvaluationTarget`
    """
    return _place(evaluation_folder(folder), sha256(folder / "manifest.json"), space, str(test_images))


def _place(folder: Path, *parts: str) -> Place:
    return Place(folder / "on_test.npz", hashlib.sha256("\n".join((str(_VERSION), *parts)).encode()).hexdigest())


def keep(place: Place, found: OnTest) -> None:
    """Write what was computed, whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, key=place.key, **{field.name: getattr(found, field.name) for field in fields(found)})
    place.file.parent.mkdir(exist_ok=True)
    write_whole(place.file, buffer.getvalue())


def kept(place: Place) -> OnTest | None:
    """Return what was kept; None if it is of another key, missing or damaged: it can be computed again."""
    file, key = place
    if not file.exists():
        return None
    try:
        with stored_arrays(file, "it is computed again") as stored:
            if str(stored["key"]) != key:
                return None
            values = {field.name: stored[field.name] for field in fields(OnTest)}
    except UserError as error:
        LOG.warning("%s", error)
        return None
    return OnTest(**{**values, "test_size": int(values["test_size"])})
