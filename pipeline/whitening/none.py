"""`none`: y = p / 255."""

import numpy as np

from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.pipeline.whitening.whitening import Sums, Whitening


class NoWhitening(Whitening):
    """Pixels / 255, fitted to nothing."""

    name = "none"
    summary = "pixels over 255"
    passes = 0

    def fit(self, sums: Sums, reg: float, block: int) -> Whitener:
        del reg, block
        return identity_whitener(sums.image_shape, sums.fingerprint)


def identity_whitener(image_shape: tuple[int, int, int], fingerprint: str) -> Whitener:
    """Make the whitener that only divides by 255; its other numbers change nothing."""
    channels = image_shape[2]
    return Whitener(
        kind="none",
        image_shape=image_shape,
        block=0,
        input_scale=255.0,
        channel_mean=np.zeros(channels),
        channel_std=np.ones(channels),
        per_image_norm=False,
        feature_mean=np.zeros(int(np.prod(image_shape))),
        W=np.zeros((0, 0)),
        W_inv=np.zeros((0, 0)),
        reg=0.0,
        reg_mode="relative",
        fit_split="train",
        n_fit=0,
        image_mean=0.0,
        image_norm=1.0,
        data_fingerprint=fingerprint,
    )


WHITENING = NoWhitening()
