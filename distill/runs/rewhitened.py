"""Prepared data in the space of another whitening."""

from dataclasses import replace

import numpy as np

from kerneldistill.bundle.whitened_space import same_space
from kerneldistill.errors import UserError
from kerneldistill.pipeline import Prepared
from kerneldistill.pipeline.split import Split
from kerneldistill.pipeline.whitening.whitener import Whitener


def in_space_of(whitener: Whitener, data: Prepared, named: str, whose: str, flag: str) -> Prepared:
    """Return prepared data, taken back to pixels and whitened by another transform unless they are in its space.

    A whitening that took off each image's mean and length cannot be undone, so only one that takes them off too, of
    equally standardised pixels, can follow it.

    Args:
      whitener: the transform
      data: the splits
      named: the data's folder, as the user named it
      whose: whose transform it is, in words
      flag: by which the data were named

    Raises:
      UserError: that is impossible.
    """
    ours, theirs = data.whitener, whitener
    if same_space(theirs, ours, data.probe):
        return data
    standardised = np.allclose(ours.channel_mean, theirs.channel_mean, atol=1e-6) and np.allclose(
        ours.channel_std, theirs.channel_std, rtol=1e-6
    )
    if ours.per_image_norm and not (theirs.per_image_norm and standardised):
        raise UserError(
            f"{named} is whitened by {ours.kind!r}, which forgets each image's mean and length, so it cannot be "
            f"whitened anew as {whose} needs: prepare the data by 'standard' or 'none' and name those with {flag}"
        )

    def anew(split: Split) -> Split:
        return replace(split, images=theirs.apply(ours.invert(split.images)))

    splits = {name: anew(getattr(data, name)) for name in ("train", "validation", "test")}
    return replace(data, whitener=theirs, **splits)
