"""What protocols do to the images of each training step, as their sources do it.

Each source has a module with its changes by name: DC's, DSA's and FRePo's. Their strengths are meant for pixels of
deviation 1, so images are divided by the deviation of the data before, and multiplied by it after.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import jax
from jax import Array, lax

from kerneldistill.algorithms.augmentations import drawn
from kerneldistill.evaluation.augmentation import Augmentation, FamilyName
from kerneldistill.evaluation.changes import dc, dsa, frepo

# Key, image [h, w, c], mean [1, 1, c] of the pixels of the batch -> image [h, w, c].
Change = Callable[[Array, Array, Array], Array]


class Family(NamedTuple):
    """The changes of a source.

    changes: by name
    each: whether each image of a batch gets one of its own; otherwise one is drawn for the batch. Its strength is drawn
      for each image in either case
    """

    changes: Mapping[str, Change]
    each: bool


FAMILIES: Mapping[FamilyName, Family] = MappingProxyType(
    {
        "dc": Family(dc.CHANGES, each=True),
        "dsa": Family(dsa.CHANGES, each=False),
        "frepo": Family(frepo.CHANGES, each=False),
        "rand": Family(dsa.CHANGES, each=True),
    }
)


def changed(key: Array, images: Array, augmentation: Augmentation, deviation: float | Array) -> Array:
    """Change the images [n, h, w, c] of a step.

    Args:
      key: of the draws
      images: floating
      augmentation: what is done
      deviation: of a pixel of the data
    """
    family, images = FAMILIES[augmentation.family], images / deviation
    for each in jax.random.split(key, augmentation.number):
        images = _drawn(family, augmentation.names, each, images)
    return images * deviation


def _drawn(family: Family, names: Sequence[str], key: Array, images: Array) -> Array:
    """Make one of the changes, of each image or of all."""
    mean = images.mean((0, 1, 2))[None, None]
    changes = [partial(_change, family.changes[name], mean) for name in names]
    if family.each:
        return jax.vmap(partial(drawn, changes))(jax.random.split(key, len(images)), images)
    chooser, key = jax.random.split(key)
    which = jax.random.randint(chooser, (), 0, len(changes))
    return lax.switch(which, [jax.vmap(change) for change in changes], jax.random.split(key, len(images)), images)


def _change(change: Change, mean: Array, key: Array, image: Array) -> Array:
    return change(key, image, mean)
