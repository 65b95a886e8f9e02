"""`standard`: y = (p / 255 - mu_c) / sigma_c, with the mean and standard deviation of each channel over train."""

from dataclasses import replace

from kerneldistill.pipeline.whitening.moments import ChannelMoments
from kerneldistill.pipeline.whitening.none import identity_whitener
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.pipeline.whitening.whitening import Sums, Whitening


class Standard(Whitening):
    """Channels brought to mean 0 and deviation 1."""

    name = "standard"
    summary = "each channel minus its mean, over its standard deviation, of the training images"
    passes = 1
    keeps_channels = True
    used_by = ("kip",)

    def fit(self, sums: Sums, reg: float, block: int) -> Whitener:
        del reg, block
        assert sums.moments is not None
        whitener = channel_whitener(sums.moments, sums.image_shape)
        return replace(whitener, n_fit=sums.num_train, data_fingerprint=sums.fingerprint)


def channel_whitener(moments: ChannelMoments, image_shape: tuple[int, int, int]) -> Whitener:
    """Make the `standard` whitener of the images that `moments` were taken of; its fit and fingerprint are empty."""
    mean, std = moments.mean() / 255, moments.std() / 255
    return replace(identity_whitener(image_shape, ""), kind="standard", channel_mean=mean, channel_std=std)


WHITENING = Standard()
