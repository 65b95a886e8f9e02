"""Changes of DSA (2102.08259): `AUGMENT_FNS` of VICO-UoE/DatasetCondensation, utils.py lines 524 to 650.

The strengths are those of `ParamDiffAug` there, lines 474 to 484. The same change targets: `augmentations`.
"""

from collections.abc import Callable
from functools import partial
from types import MappingProxyType

from jax import Array

from kerneldistill.algorithms.augmentations import AUGMENTATIONS, DSA
from kerneldistill.config.schema import StrengthConfig


def _of_targets(
    change: Callable[[StrengthConfig, Array, Array], Array], key: Array, image: Array, mean: Array
) -> Array:
    return change(DSA, key, image)


CHANGES = MappingProxyType({name: partial(_of_targets, change) for name, change in AUGMENTATIONS.items()})
