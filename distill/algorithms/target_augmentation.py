"""Target augmentation, in the space of channel-standardised pixels.

Take whitened images back to pixels, standardise, augment, and whiten them again, as in KIP's reference code
(unnormalise, augment, normalise; 2011.00050): a ZCA mixes colours and places. What `kip_zca` forgets of an image, its
brightness and contrast, it would forget again.

Whitening is NumPy on the host and augmentation JAX on a device, so that a chunk crosses over twice: on the device a
whitening would round otherwise than the one of the data.
"""

from dataclasses import dataclass
from functools import partial

import jax
import numpy as np

from kerneldistill.algorithms.augmentations import augment
from kerneldistill.algorithms.random_streams import Stream, seed_of
from kerneldistill.algorithms.targets import Change
from kerneldistill.config.schema import AugmentConfig
from kerneldistill.pipeline.storage.statistics import Statistics
from kerneldistill.pipeline.whitening.whitener import Whitener

# Images whose pixels' mean and deviation stand for all.
_SAMPLE = 1000


@dataclass(frozen=True, eq=False)
class Augmentation:
    """The augmentation of the targets of a run.

    config: what is changed
    whitener: of the data
    mean: float32 [c] mean of the pixels, 0..255
    std: float32 [c] their deviation
    seed: of the run
    """

    config: AugmentConfig
    whitener: Whitener
    mean: np.ndarray
    std: np.ndarray
    seed: int

    @classmethod
    def of(cls, config: AugmentConfig, whitener: Whitener, train: np.ndarray, seed: int) -> "Augmentation":
        """Set up the augmentation of a run on whitened images `train` [n, h, w, c]."""
        pixels = Statistics.of(whitener.invert(train[:: -(-len(train) // _SAMPLE)]))
        std = np.array(pixels.std, np.float32)
        return cls(config, whitener, np.array(pixels.mean, np.float32), np.where(std > 0, std, 1), seed)

    def at(self, step: int) -> Change:
        """The augmentation of an outer step, counted from 0: a function of seed, step, and place in the batch."""
        return partial(self._augment, seed_of(self.seed, Stream.AUGMENT, step))

    def _augment(self, seed: int, images: np.ndarray, first: int) -> np.ndarray:
        """Augment whitened images [n, h, w, c]; the dtype stays."""
        config, key = self.config, jax.random.key(seed)
        standardised = (self.whitener.invert(images) - self.mean) / self.std
        how = {"single": config.single, "number": config.number, "first": first}
        augmented = augment(key, standardised, config.names, config.strength, **how)
        return self.whitener.apply(np.asarray(augmented) * self.std + self.mean).astype(images.dtype)
