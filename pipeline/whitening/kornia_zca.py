"""`kornia_zca`: kornia's ZCAWhitening (https://github.com/kornia/kornia, enhance/zca.py).

    x = p / 255 - m,  C = X^T X / (n - 1) = U diag(s) U^T,  W = U diag((s + eps)^-1/2) U^T,  y = W x

MTT, DATM and DD-Ranking apply it to pixels / 255 with eps = 0.1. Of images cut into blocks each block has a W.
"""

from dataclasses import replace

import numpy as np

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.whitening.blocks import Blocks
from kerneldistill.pipeline.whitening.moments import ChannelMoments, Features, plain_images
from kerneldistill.pipeline.whitening.none import identity_whitener
from kerneldistill.pipeline.whitening.standard import channel_whitener
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.pipeline.whitening.whitening import Sums
from kerneldistill.pipeline.whitening.zca import Zca, fit_blocks, powers


class KorniaZca(Zca):
    """ZCA of pixels / 255 minus the mean image, with an absolute ridge on every eigenvalue."""

    name = "kornia_zca"
    summary = "ZCA of pixels over 255 with a ridge on every eigenvalue, as kornia does it (MTT, DATM, DD-Ranking)"
    used_by = ("kornia",)

    def features(self, images: np.ndarray, moments: ChannelMoments) -> Features:
        # Each channel's mean is taken off first, as it keeps the sums small.
        standard = channel_whitener(moments, images.shape[1:])
        centring = replace(standard, channel_std=np.ones(len(standard.channel_std)))
        return plain_images(centring.standardise(images).reshape(len(images), -1))

    def fit(self, sums: Sums, reg: float, block: int) -> Whitener:
        scatter, moments = sums.scatter, sums.moments
        assert scatter is not None
        assert moments is not None
        if scatter.count < 2:
            raise DataError(f"kornia_zca has {scatter.count} images to fit to; allowed: 2 or more")
        blocks = Blocks(sums.image_shape, block)
        mean = blocks.join(scatter.feature_mean().reshape(blocks.count, 1, -1))[0]
        forward, inverse = fit_blocks(scatter.covariance(), lambda C: _invert_root(C, reg))
        return replace(
            identity_whitener(sums.image_shape, sums.fingerprint),
            kind="kornia_zca",
            block=block,
            feature_mean=mean + np.resize(moments.mean() / 255, mean.size),
            W=forward,
            W_inv=inverse,
            reg=reg,
            reg_mode="absolute",
            n_fit=scatter.count,
        )


def _invert_root(covariance: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    s, U = np.linalg.eigh(covariance)
    return powers(np.maximum(s, 0) + eps, U)  # below 0 by rounding only


WHITENING = KorniaZca()
