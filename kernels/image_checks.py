"""Refuse images and kernels that do not fit, with a remedy, before anything compiles."""

import numpy as np
from jax import Array

from kerneldistill.kernels.names import KERNEL_KINDS


def check_kind(kind: str) -> None:
    """Raise ValueError unless `kind` names a kernel."""
    if kind not in KERNEL_KINDS:
        raise ValueError(f"unknown kernel {kind!r}; allowed: {', '.join(KERNEL_KINDS)}")


def check_images(images: Array | np.ndarray, image_shape: tuple[int, ...], dtype: np.dtype, name: str) -> None:
    """Raise ValueError unless `images` is [n, *image_shape] with n >= 1, of `dtype` and finite. Reads every pixel."""
    if images.ndim != 4 or tuple(images.shape[1:]) != tuple(image_shape) or images.shape[0] == 0:
        raise ValueError(f"{name} must be [n, {', '.join(map(str, image_shape))}] with n >= 1; got {images.shape}")
    if images.dtype != dtype:
        raise ValueError(f"{name} must be {dtype}; got {images.dtype}: convert with .astype({np.dtype(dtype).name!r})")
    if not np.isfinite(np.asarray(images)).all():
        raise ValueError(f"{name} must be finite; they hold NaN or infinite pixels: find and drop those images before")


def check_arguments(x1: Array | np.ndarray, x2: Array | np.ndarray) -> None:
    """Raise ValueError unless both are floating images [n, h, w, c] of one shape and dtype. Never reads a pixel."""
    for name, x in (("x1", x1), ("x2", x2)):
        if x.ndim != 4 or x.shape[0] == 0:
            raise ValueError(f"{name} must be [n, height, width, channels] with n >= 1; got {x.shape}")
        if x.dtype not in (np.float32, np.float64):
            raise ValueError(f"{name} must be float32 or float64; got {x.dtype}: convert with .astype('float32')")
    if x1.shape[1:] != x2.shape[1:]:
        raise ValueError(f"x1 and x2 must hold images of one shape; got {x1.shape[1:]} and {x2.shape[1:]}")
    if x1.dtype != x2.dtype:
        raise ValueError(f"x1 and x2 must be of one dtype; got {x1.dtype} and {x2.dtype}")
