"""Features of a split's images, computed once and kept on disk, in the folder of a run.

    FOLDER/KEY/00003-0c9f2a417be81d55.npy     [1024, d] of images 3 * 1024 and on; the digest of the file is in its name

KEY is a digest of the encoder's identity and of a sample of the images. A file appears whole or not at all, so whoever
goes on after a kill makes what is missing; what is damaged is made again. Of several processes each makes its shard of
the files and all read them. Rows are copied out of maps that are closed again: memory does not grow with the split.
"""

import hashlib
import io
import logging
import shutil
from pathlib import Path

import numpy as np

from kerneldistill.errors import UserError
from kerneldistill.kernels.encoder_checks import Identity
from kerneldistill.kernels.feature_engine import Encoded, FeatureEngine
from kerneldistill.pipeline.storage.files import sha256, write_whole
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.stop import polled
from kerneldistill.runtime.text import gigabytes

LOG = logging.getLogger(__name__)

# Images of a file: what a kill may cost, and with d = 512 of float32 2 MB.
ROWS = 1024
# Images by which a split is told from another.
_SAMPLE = 64


class KeptFeatures:
    """The `kerneldistill.kernels.engine.TargetStore` of features on disk; those that are missing are made at once.

    Args:
      engine: that encodes
      identity: of its encoder
      images: [n, h, w, c], read in parts
      folder: of the features of all splits of a run

    Raises:
      UserError: the disk has not the room.
      ValueError: an image is not finite.
      KeyboardInterrupt: the process was asked to stop; the files that are made stay.
    """

    def __init__(self, engine: FeatureEngine, identity: Identity, images: np.ndarray, folder: Path) -> None:
        self._engine, self._images = engine, images
        self._folder = folder / _key(engine, identity, images)
        self._make_room(folder)
        count = -(-len(images) // ROWS)
        shard = collectives.shard(count)
        for number in polled(range(shard.start, shard.start + shard.each), "features", id(engine), len(images)):
            if number < shard.stop and self._found(number) is None:
                self._make(number)
        self._files = [self._found(number, checked=shard.start <= number < shard.stop) for number in range(count)]

    def __len__(self) -> int:
        return len(self._images)

    def take(self, indices: np.ndarray) -> Encoded:
        """See `TargetStore.take`."""
        values = np.empty((len(indices), self._engine.size), self._engine.dtype)
        numbers = indices // ROWS
        for number in np.unique(numbers):
            own = numbers == number
            values[own] = np.load(self._path(int(number)), mmap_mode="r")[indices[own] % ROWS]
        return Encoded(values)

    def _path(self, number: int) -> Path:
        path = self._files[number]
        if path is None:
            raise UserError(f"{self._folder} lacks {number:05d}-*.npy of another process: use a --dir that all see")
        return path

    def _rows(self, number: int) -> np.ndarray:
        return self._images[number * ROWS : (number + 1) * ROWS]

    def _found(self, number: int, checked: bool = False) -> Path | None:
        """The file of a number, if it is there and whole; checked: it is known to be whole."""
        for path in sorted(self._folder.glob(f"{number:05d}-*.npy")):
            if checked or sha256(path)[:16] == path.stem.partition("-")[2]:
                return path
            LOG.warning("%s is damaged, and made again", path)
            path.unlink(missing_ok=True)
        return None

    def _make(self, number: int) -> None:
        images, parts = self._rows(number), []
        size = self._engine.chunk(len(images), 1)
        starts = range(0, len(images), size)
        for start in starts:
            own = np.asarray(images[start : start + size], self._engine.dtype)
            parts.append(self._engine.target_features(own).values)
        buffer = io.BytesIO()
        np.save(buffer, np.concatenate(parts), allow_pickle=False)
        digest = hashlib.sha256(buffer.getbuffer()).hexdigest()[:16]
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._folder / f"{number:05d}-{digest}.npy", buffer.getvalue())

    def _make_room(self, folder: Path) -> None:
        needed = len(self._images) * self._engine.size * self._engine.dtype.itemsize
        there = sum(path.stat().st_size for path in self._folder.glob("*.npy"))
        above = next(path for path in (folder, *folder.parents) if path.exists())
        if needed - there > (free := shutil.disk_usage(above).free):
            raise UserError(
                f"the {self._engine.size} features of {len(self._images)} images take {gigabytes(needed - there)} and "
                f"{folder} has {gigabytes(free)} free: let --kernel.encoder return fewer, or name another --dir"
            )


def _key(engine: FeatureEngine, identity: Identity, images: np.ndarray) -> str:
    digest = hashlib.sha256(repr((identity, images.shape, str(engine.dtype))).encode())
    for row in np.unique(np.linspace(0, len(images) - 1, _SAMPLE).astype(int)) if len(images) else ():
        digest.update(np.ascontiguousarray(images[row]).tobytes())
    return digest.hexdigest()[:16]
