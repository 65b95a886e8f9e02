"""`kip_zca`: the regularised ZCA of KIP (Nguyen et al. 2021, arXiv 2107.13034).

    x = (p / 255 - mu_c) / sigma_c,  z = (x - mean(x)) / |x - mean(x)| for each image,  y = W z
    C = Z^T Z / n,  C + reg tr(C)/d I = U diag(s) U^T,  W = U diag(s^-1/2) U^T

With the rule of its published code for few images: when n < d, the d - n smallest s count as 1. Of images cut into
blocks each block has a W; z is of the whole image.
"""

from dataclasses import replace

import numpy as np

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.whitening.moments import ChannelMoments, Features, unit_images
from kerneldistill.pipeline.whitening.standard import WHITENING as STANDARD
from kerneldistill.pipeline.whitening.standard import channel_whitener
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.pipeline.whitening.whitening import Sums
from kerneldistill.pipeline.whitening.zca import Zca, fit_blocks, powers


class KipZca(Zca):
    """ZCA of standardised images of mean 0 and length 1, with a ridge relative to the trace."""

    name = "kip_zca"
    summary = "channels standardised, each image brought to mean 0 and length 1, then KIP's regularised ZCA"
    forgets_scale = True
    keeps_channels = True
    used_by = ("kip",)

    def features(self, images: np.ndarray, moments: ChannelMoments) -> Features:
        standard = channel_whitener(moments, images.shape[1:])
        return unit_images(standard.standardise(images).reshape(len(images), -1))

    def fit(self, sums: Sums, reg: float, block: int) -> Whitener:
        scatter = sums.scatter
        assert scatter is not None
        forward, inverse = fit_blocks(scatter.second_moment(), lambda C: _invert_root(C, scatter.count, reg))
        return replace(
            STANDARD.fit(sums, reg, block),
            kind="kip_zca",
            block=block,
            per_image_norm=True,
            W=forward,
            W_inv=inverse,
            reg=reg,
            n_fit=scatter.count,
            image_mean=scatter.image_mean(),
            image_norm=scatter.image_norm(),
        )


def _invert_root(covariance: np.ndarray, count: int, reg: float) -> tuple[np.ndarray, np.ndarray]:
    d = len(covariance)
    covariance[np.diag_indices(d)] += reg * np.trace(covariance) / d
    s, U = np.linalg.eigh(covariance)
    # The products behind the covariance were float32: smaller eigenvalues are its rounding, and W would blow them up.
    if not s[0] > np.finfo(np.float32).eps * s[-1]:
        raise DataError(f"zca_reg is {reg}: the covariance of {count} images is singular; raise zca_reg to 0.1")
    s[: max(d - count, 0)] = 1.0  # eigh sorts upwards
    return powers(s, U)


WHITENING = KipZca()
