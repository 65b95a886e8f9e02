"""Fits a `Whitener` of each kind to the sums over the training images. The formulas are in `whiten`."""

from dataclasses import replace

import numpy as np

from pipeline.errors import DataError
from pipeline.moments import ChannelMoments, Scatter
from pipeline.whiten import Whitener


def channel_whitener(
    moments: ChannelMoments, image_shape: tuple[int, int, int], n_fit: int, fingerprint: str
) -> Whitener:
    """The `standard` whitener of the images that `moments` were taken of."""
    return _plain("standard", moments.mean() / 255, moments.std() / 255, image_shape, n_fit, fingerprint)


def identity_whitener(image_shape: tuple[int, int, int], fingerprint: str) -> Whitener:
    """The `none` whitener: pixels / 255, fitted on nothing."""
    channels = image_shape[2]
    return _plain("none", np.zeros(channels), np.ones(channels), image_shape, 0, fingerprint)


def zca_whitener(standard: Whitener, scatter: Scatter, reg: float) -> Whitener:
    """The `kip_zca` whitener on top of a `standard` one; `scatter` is that of its standardised unit images.

    Raises:
      DataError: when the covariance is singular in spite of the ridge.
    """
    covariance = scatter.covariance()
    d = len(covariance)
    covariance[np.diag_indices(d)] += reg * np.trace(covariance) / d
    s, U = np.linalg.eigh(covariance)
    # The products behind the covariance were float32: smaller eigenvalues are its rounding, and W would blow them up.
    if not s[0] > np.finfo(np.float32).eps * s[-1]:
        raise DataError(f"zca_reg is {reg}: the covariance of {scatter.count} images is singular; raise zca_reg to 0.1")
    s[: max(d - scatter.count, 0)] = 1.0  # eigh sorts upwards
    # U s^-1/2 U^T as A A^T with A = U s^-1/4: half the work of a general product, and exactly symmetric.
    forward, inverse = U * s**-0.25, U * s**0.25
    return replace(
        standard,
        kind="kip_zca",
        per_image_norm=True,
        W=forward @ forward.T,
        W_inv=inverse @ inverse.T,
        reg=reg,
        n_fit=scatter.count,
        image_mean=scatter.image_mean(),
        image_norm=scatter.image_norm(),
    )


def _plain(
    kind: str, mean: np.ndarray, std: np.ndarray, image_shape: tuple[int, int, int], n_fit: int, fingerprint: str
) -> Whitener:
    return Whitener(
        kind=kind,
        image_shape=image_shape,
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
