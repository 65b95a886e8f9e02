"""Target augmentation: images of a batch changed at random, in the space of channel-standardised pixels.

Whitened images go back to pixels, are standardised, changed, and whitened again, as in KIP's reference code
(unnormalise, augment, normalise; 2011.00050): a ZCA mixes colours and places. What `kip_zca` forgets of an image, its
brightness and contrast, it would forget again.
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
    """How the targets of a run are changed.

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
        """The augmentation of a run on whitened images `train` [n, h, w, c]."""
        found = Statistics.of(whitener.invert(train[:: -(-len(train) // _SAMPLE)]))
        std = np.array(found.std, np.float32)
        return cls(config, whitener, np.array(found.mean, np.float32), np.where(std > 0, std, 1), seed)

    def at(self, step: int) -> Change:
        """The changes of an outer step, counted from 0: functions of seed, step, and place in the batch."""
        return partial(self._changed, seed_of(self.seed, Stream.AUGMENT, step))

    def _changed(self, seed: int, images: np.ndarray, first: int) -> np.ndarray:
        """Whitened images [n, h, w, c], changed; of the same dtype."""
        config, key = self.config, jax.random.key(seed)
        standardised = (self.whitener.invert(images) - self.mean) / self.std
        changed = augment(key, standardised, config.names, config.strength, single=config.single, first=first)
        return self.whitener.apply(np.asarray(changed) * self.std + self.mean).astype(images.dtype)
