"""What layers share that need something of each image by itself: its deviations, or its attention weights.

It is noted from the covariances of the image with itself, once for each image, and kept by the layer's path
(`kerneldistill.kernels.image_features`).
"""

from abc import abstractmethod
from dataclasses import dataclass

from jax import Array

from kerneldistill.kernels.activations.dual import Factors
from kerneldistill.kernels.layers.layer import Layer
from kerneldistill.kernels.offsets import Offsets


@dataclass(frozen=True)
class PerImage(Layer):
    """A layer that may need something of each image by itself."""

    @property
    def needs_images(self) -> bool:
        """Whether it does."""
        return True

    @abstractmethod
    def note(self, band: Array, place: Offsets) -> Array:
        """Compute it, [..., lanes], from the band [oy, h, ox, w, lanes] of images with themselves."""

    @abstractmethod
    def kept(self, place: Offsets) -> tuple[int, int]:
        """The shape of it, of one image, before the head."""

    @abstractmethod
    def factors(self, std: Array) -> Factors:
        """Compute what covariances are multiplied by, or more, from what was noted."""

    @abstractmethod
    def paired(self, row: Factors, col: Factors, place: Offsets) -> tuple[Factors, Factors]:
        """Lay factors of both images out for a whole band."""
