"""`DistilledSet`: a bundle in use. What `distill` gives, and what `load` reads from disk."""

import os
import shutil
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from etils import epath
from numpy.typing import ArrayLike

from kerneldistill.algorithms.encoders import checked_identity, give_encoder
from kerneldistill.algorithms.support import Support
from kerneldistill.api.arrays import check_pixels
from kerneldistill.api.predictor import Predictor
from kerneldistill.api.session import computing
from kerneldistill.bundle.location import MARKS
from kerneldistill.bundle.reader import Bundle, read_bundle
from kerneldistill.errors import UserError
from kerneldistill.kernels.feature_kernel import Encoder, FeatureKernel
from kerneldistill.pipeline.storage.files import names_below
from kerneldistill.pipeline.storage.publish import check_output, publish, sole_writer, staging_folder
from kerneldistill.runs.directory import RunDir, is_run

if TYPE_CHECKING:
    from PIL.Image import Image


class DistilledSet:
    """A few images that stand for many, with their labels, their whitening and the kernel they were learned by.

    `distill`, `label_solve`, `run` and `load` make one.

    Attributes:
      bundle: everything that is stored of the set
      run: the run directory it is from, with prepared data and checkpoints; None for a bundle that stands alone
      encoder: whose features the set was learned on; None where the kernel is that of a network, or it was not given

    Example:
      >>> result = kd.load("runs/digits/bundle")
      >>> result.predict(test_images).shape
      (200, 10)
    """

    def __init__(self, bundle: Bundle, folder: Path, run: Path | None = None, encoder: Encoder | None = None) -> None:
        self.bundle, self.run, self.encoder = bundle, run, encoder
        self.folder = folder

    @property
    def images(self) -> np.ndarray:
        """float32 [n, h, w, c] learned images in the whitened space, class by class."""
        return self.bundle.images

    @property
    def labels(self) -> np.ndarray:
        """float32 [n, k] labels to regress to: centred one-hot, learned, or solved for."""
        return self.bundle.labels

    @property
    def class_ids(self) -> np.ndarray:
        """int32 [n] the class that each image began in."""
        return self.bundle.class_ids

    @property
    def class_names(self) -> tuple[str, ...]:
        """[k] names in label order."""
        return tuple(self.bundle.manifest.class_names)

    @property
    def pixels(self) -> np.ndarray:
        """float32 [n, h, w, c] the images as pixels, about 0..255 and not clipped; for the eye."""
        return self.bundle.whitener.invert(self.images)

    @property
    def results(self) -> dict[str, Any]:
        """What was measured when the bundle was written, as in its `results.json`."""
        return self.bundle.results

    @property
    def accuracy(self) -> float | None:
        """Test accuracy of kernel ridge regression from the set, 0..1; None where it was not measured."""
        measured = self.results.get("learned")
        return measured.get("accuracy") if isinstance(measured, dict) else None

    def whiten(self, images: ArrayLike) -> np.ndarray:
        """Bring images to the space of `self.images`.

        Args:
          images: uint8 [n, h, w, c], or [n, h, w] where the set is grey

        Returns:
          float32 [n, h, w, c]

        Raises:
          UserError: they have another type, or another size than the set.
        """
        pixels = check_pixels(images)
        if pixels.shape[1:] != self.images.shape[1:]:
            given, needed = ("x".join(map(str, array.shape[1:])) for array in (pixels, self.images))
            raise UserError(f"images are {given} and the set is of {needed}: resize or convert them first")
        return self.bundle.whitener.apply(pixels)

    def predict(self, images: ArrayLike) -> np.ndarray:
        """Predict the labels of images by kernel ridge regression from the set, with the exact kernel it was made by.

        Args:
          images: raw, as `whiten` takes them

        Returns:
          float64 [n, k] outputs, centred: about 1 - 1/k for the right class and -1/k for the others. They are no
          probabilities; the largest names the class.

        Raises:
          UserError: as `whiten`; or the set was learned on features of an encoder, and `load` got none or another.
        """
        whitened = self.whiten(images)
        with computing():
            return self._predictor(whitened)

    def classify(self, images: ArrayLike) -> np.ndarray:
        """The class index of each image, int [n]: the largest output of `predict`."""
        return self.predict(images).argmax(1)

    def plot(self) -> "Image":
        """The images beside what they began as: a PIL image, which a notebook shows; `.save` writes it."""
        from PIL import Image

        with Image.open(self.folder / "support.png") as picture:
            return picture.copy()

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the bundle to `folder`, whole or not at all; a bundle that is there is replaced. `load` reads it.

        Raises:
          DataError: the folder holds something else, or cannot be written.
        """
        out = check_output(epath.Path(Path(folder).expanduser().absolute()), MARKS)
        with sole_writer(out), staging_folder(out, self.bundle.manifest.fingerprint) as staging:
            for name in names_below(self.folder):
                shutil.copyfile(self.folder / name, staging / name)
            publish(staging, out)
        return Path(out)

    def use_encoder(self) -> None:
        """Let the name of the set's encoder mean the one that was given, where both are; `predict` does it.

        Raises:
          UserError: it cannot be used, or is another than the one that the set was learned by.
        """
        manifest = self.bundle.manifest
        if manifest.encoder is None or self.encoder is None:
            return
        give_encoder(FeatureKernel(self.encoder), manifest.encoder.name)
        found = checked_identity(manifest.kernel, self.images.shape[1:])
        manifest.encoder.check(found, f"{self.folder}", "give load the one it was learned by, encoder=function")

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        manifest, shape = self.bundle.manifest, "x".join(map(str, self.images.shape[1:]))
        test = "" if self.accuracy is None else f", test accuracy {self.accuracy:.1%}"
        return (
            f"<DistilledSet {manifest.dataset}: {len(self)} images of {shape} in {len(self.class_names)} classes, "
            f"labels {manifest.label_mode}, step {manifest.step}{test}>"
        )

    @cached_property
    def _predictor(self) -> Predictor:
        manifest = self.bundle.manifest
        self.use_encoder()
        return Predictor(manifest.kernel, Support(self.images, self.labels), manifest.ridge, manifest.flip)


def load(bundle: str | os.PathLike[str], encoder: Encoder | None = None) -> DistilledSet:
    """Read a distilled set, checking every digest, every array, and the whitening on its probe images.

    Args:
      bundle: folder of a bundle, or of a finished run
      encoder: of a set that was learned on the features of one: the function from images [n, h, w, c] to features
        [n, d]. No bundle holds it, and none is imported by the name that a bundle gives it.

    Raises:
      UserError: there is none, or it is damaged.

    Example:
      >>> kd.load("runs/digits").images.shape
      (10, 8, 8, 1)
    """
    given = Path(bundle).expanduser().absolute()
    run = RunDir(given) if is_run(given) else None
    folder = given if run is None else run.bundle
    return DistilledSet(read_bundle(folder), folder, None if run is None else given, encoder)
