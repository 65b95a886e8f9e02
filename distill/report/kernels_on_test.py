"""Kernels between a support and test images, kept in the run directory: they cost minutes, drawing them none."""

import hashlib
import io
import logging
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from kerneldistill.config.toml import config_digest
from kerneldistill.errors import UserError
from kerneldistill.evaluation.infinite_width import Blocks
from kerneldistill.pipeline.storage.files import sha256, write_whole
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.stored_arrays import stored_arrays

LOG = logging.getLogger(__name__)
_VERSION = 1


@dataclass(frozen=True, eq=False)
class OnTest:
    """What a report needs of test images and of the kernel, with the pictures that go with it.

    ntk_ss, nngp_ss: float [s, s] kernels of the support, in the precision they were computed in
    ntk_ts, nngp_ts: float [t, s] of test images and the support
    nngp_tt: float [t] of each test image with itself
    start_ss: float [s, s] the run's kernel of the images the support began as
    start_ts: float [t, s] likewise, with the test images
    start_images: float32 [s, h, w, c] these images, whitened
    start_labels: float64 [s, k] centred one-hot
    learned_pixels: float32 [s, h, w, c] the support un-whitened, 0..255 and beyond
    start_pixels: float32 [s, h, w, c] likewise
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
    def own(self) -> np.ndarray:
        """NNGP of each test image with itself, float64 [t]."""
        return self.nngp_tt.astype(np.float64)


def kept_file(rundir: RunDir) -> Path:
    """Return where a run's `OnTest` is kept."""
    return rundir.path / "report" / "on_test.npz"


def key_of(rundir: RunDir, test_images: int) -> str:
    """Return what an `OnTest` is a function of, as a digest: outcome, configuration, data, and how many test images."""
    parts = (
        str(_VERSION),
        sha256(rundir.outcome_file),
        config_digest(rundir.config()),
        rundir.fingerprint_file.read_text(encoding="utf-8").strip(),
        str(test_images),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def keep(rundir: RunDir, key: str, found: OnTest) -> None:
    """Write what was computed for `key`, whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, key=key, **{field.name: getattr(found, field.name) for field in fields(found)})
    kept_file(rundir).parent.mkdir(exist_ok=True)
    write_whole(kept_file(rundir), buffer.getvalue())


def kept(rundir: RunDir, key: str) -> OnTest | None:
    """Return what was kept for `key`; None if it is of another one, missing or damaged: it can be computed again."""
    file = kept_file(rundir)
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
