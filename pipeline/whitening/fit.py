"""Fits a `Whitener` of each kind to the sums over the training images. The formulas are in `whiten`."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.whitening.blocks import Blocks
from kerneldistill.pipeline.whitening.moments import ChannelMoments, Scatter
from kerneldistill.pipeline.whitening.whitener import Whitener


def channel_whitener(
    moments: ChannelMoments, image_shape: tuple[int, int, int], n_fit: int, fingerprint: str
) -> Whitener:
    """The `standard` whitener of the images that `moments` were taken of."""
    return _plain("standard", moments.mean() / 255, moments.std() / 255, image_shape, n_fit, fingerprint)


def identity_whitener(image_shape: tuple[int, int, int], fingerprint: str) -> Whitener:
    """The `none` whitener: pixels / 255, fitted on nothing."""
    channels = image_shape[2]
    return _plain("none", np.zeros(channels), np.ones(channels), image_shape, 0, fingerprint)


def zca_whitener(standard: Whitener, scatter: Scatter, reg: float, block: int = 0) -> Whitener:
    """The `kip_zca` whitener on top of a `standard` one; `scatter` is that of its standardised unit images.

    Raises:
      DataError: when a covariance is singular in spite of the ridge.
    """
    forward, inverse = _of_each(scatter.second_moment(), lambda covariance: _kip(covariance, scatter.count, reg))
    return replace(
        standard,
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


def kornia_whitener(standard: Whitener, scatter: Scatter, eps: float, block: int = 0) -> Whitener:
    """The `kornia_zca` whitener; `scatter` is that of the images `centring(standard)` gives.

    Raises:
      DataError: there are fewer than two images.
    """
    if scatter.count < 2:
        raise DataError(f"kornia_zca has {scatter.count} images to fit to; allowed: 2 or more")
    blocks = Blocks(standard.image_shape, block)
    mean = blocks.join(scatter.feature_mean().reshape(blocks.count, 1, -1))[0]
    forward, inverse = _of_each(scatter.covariance(), lambda covariance: _kornia(covariance, eps))
    channels = len(standard.channel_mean)
    return replace(
        standard,
        kind="kornia_zca",
        block=block,
        channel_mean=np.zeros(channels),
        channel_std=np.ones(channels),
        feature_mean=mean + np.resize(standard.channel_mean, mean.size),
        W=forward,
        W_inv=inverse,
        reg=eps,
        reg_mode="absolute",
        n_fit=scatter.count,
    )


def centring(standard: Whitener) -> Whitener:
    """Takes each channel's mean off pixels / 255: what `kornia_zca` is summed over, as it keeps the sums small."""
    return replace(standard, channel_std=np.ones(len(standard.channel_std)))


def _of_each(
    covariances: np.ndarray, fit: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """(W, W_inv), [d, d] or [g, e, e], of covariances of the same shape."""
    if covariances.ndim == 2:
        return fit(covariances)
    pairs = [fit(covariance) for covariance in covariances]
    return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])


def _kip(covariance: np.ndarray, count: int, reg: float) -> tuple[np.ndarray, np.ndarray]:
    d = len(covariance)
    covariance[np.diag_indices(d)] += reg * np.trace(covariance) / d
    s, U = np.linalg.eigh(covariance)
    # The products behind the covariance were float32: smaller eigenvalues are its rounding, and W would blow them up.
    if not s[0] > np.finfo(np.float32).eps * s[-1]:
        raise DataError(f"zca_reg is {reg}: the covariance of {count} images is singular; raise zca_reg to 0.1")
    s[: max(d - count, 0)] = 1.0  # eigh sorts upwards
    return _powers(s, U)


def _kornia(covariance: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    s, U = np.linalg.eigh(covariance)
    return _powers(np.maximum(s, 0) + eps, U)  # below 0 by rounding only


def _powers(s: np.ndarray, U: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """U s^-1/2 U^T and U s^1/2 U^T."""
    # As A A^T with A = U s^-1/4: half the work of a general product, and exactly symmetric.
    forward = U * s**-0.25
    forward = forward @ forward.T
    inverse = U * s**0.25
    return forward, inverse @ inverse.T


def _plain(
    kind: str, mean: np.ndarray, std: np.ndarray, image_shape: tuple[int, int, int], n_fit: int, fingerprint: str
) -> Whitener:
    return Whitener(
        kind=kind,
        image_shape=image_shape,
        block=0,
        input_scale=255.0,
        channel_mean=mean,
        channel_std=std,
        per_image_norm=False,
        feature_mean=np.zeros(int(np.prod(image_shape))),
        W=np.zeros((0, 0)),
        W_inv=np.zeros((0, 0)),
        reg=0.0,
        reg_mode="relative",
        fit_split="train",
        n_fit=n_fit,
        image_mean=0.0,
        image_norm=1.0,
        data_fingerprint=fingerprint,
    )
