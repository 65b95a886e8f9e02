"""Target augmentation: images of a batch changed at random, in the space of channel-standardised pixels.

Whitened images go back to pixels, are standardised, changed, and whitened again, as in KIP's reference code
(unnormalise, augment, normalise; 2011.00050): a ZCA mixes colours and places. What `kip_zca` forgets of an image, its
brightness and contrast, it would forget again.
"""

from dataclasses import dataclass

import jax
import numpy as np

from distill.augment import augment
from distill.config import AugmentConfig
from distill.draw import Stream, seed_of
from pipeline.whiten import Whitener


@dataclass(frozen=True, eq=False)
class Augmented:
    """The changes of one step, a function of seed, step, and an image's place in the batch.

    config: what is changed
    whitener: of the data
    seed: of the run
    step: outer step, counted from 0
    """

    config: AugmentConfig
    whitener: Whitener
    seed: int
    step: int

    def __call__(self, images: np.ndarray, first: int) -> np.ndarray:
        """Changes whitened images [n, h, w, c], of which the first is number `first` of the batch; same dtype."""
        key = jax.random.key(seed_of(self.seed, Stream.AUGMENT, self.step))
        whitener = self.whitener
        standardised = whitener.standardise(whitener.invert(images))
        names, strength, single = self.config.names, self.config.strength, self.config.single
        changed = np.asarray(augment(key, standardised, names, strength, single=single, first=first))
        pixels = (changed * whitener.channel_std + whitener.channel_mean) * whitener.input_scale
        return whitener.apply(pixels.astype(np.float32)).astype(images.dtype)
