"""The spaces that other programs train in, as whiteners: pixels there, and back."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from kerneldistill.errors import UserError
from kerneldistill.pipeline.prepared import Prepared
from kerneldistill.pipeline.whitening.none import identity_whitener
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.pipeline.whitening.whitening import whitening_of

# Training images whose channels are measured where nobody says their mean: their standard error is below 1e-3.
_MEASURED = 10_000


class Normalisation(NamedTuple):
    """mean, std: of each channel, of pixels / 255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


# As written in `get_dataset` of DC, DSA, DM and MTT (VICO-UoE/DatasetCondensation utils.py) and of DD-Ranking
# (ddranking/utils/data.py), which take CIFAR-10's for CIFAR-100 too. Not the statistics: the constants in their code.
NORMALISATIONS: Mapping[str, Normalisation] = MappingProxyType(
    {
        "mnist": Normalisation((0.1307,), (0.3081,)),
        "fashion_mnist": Normalisation((0.2861,), (0.3530,)),
        "svhn_cropped": Normalisation((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
        "cifar10": Normalisation((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        "cifar100": Normalisation((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    }
)
# What these programs call a data set of TFDS.
FOREIGN_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "mnist": "MNIST",
        "fashion_mnist": "FashionMNIST",
        "svhn_cropped": "SVHN",
        "cifar10": "CIFAR10",
        "cifar100": "CIFAR100",
    }
)


def normalised(name: str, whitener: Whitener, prepared: Prepared | None) -> Whitener:
    """Return the space of torch's `Normalize`: (p / 255 - mean) / std.

    The constants of the programs' own code for the data sets they know; for others the channels of the training images.

    Args:
      name: of the data set, as TFDS has it.
      whitener: of the bundle.
      prepared: the data it was distilled from, if they are at hand.

    Raises:
      UserError: nobody knows the channels: the whitening keeps none, and the data are not at hand.
    """
    plain = replace(identity_whitener(whitener.image_shape, whitener.data_fingerprint), kind="standard")
    if name in NORMALISATIONS and len(NORMALISATIONS[name].mean) == whitener.image_shape[2]:
        mean, std = map(np.array, NORMALISATIONS[name])
    elif whitening_of(whitener.kind).keeps_channels:
        mean, std = whitener.channel_mean, whitener.channel_std
    elif prepared is not None:
        pixels = whitener.invert(prepared.train.images[:_MEASURED]).astype(np.float64) / 255
        mean, std = pixels.mean(axis=(0, 1, 2)), pixels.std(axis=(0, 1, 2))
        std = np.where(std > 0, std, 1.0)
    else:
        raise UserError(
            f"the whitening is {whitener.kind}, which keeps no mean of the channels of {name!r}: "
            "give the data that the set was distilled from with --prepared DIR"
        )
    return replace(plain, channel_mean=mean, channel_std=std)


def normalisation(space: Whitener) -> Normalisation:
    """Return the numbers of a space of `normalised`, for a configuration file."""
    return Normalisation(*(tuple(np.round(x, 6).tolist()) for x in (space.channel_mean, space.channel_std)))
