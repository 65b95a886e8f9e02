"""What makes a network one whose kernel is known, and images fit for it; refused, with a remedy, before it compiles.

The dual of an activation holds for Gaussian inputs, as a layer of random weights makes them; the covariances of two
paths add where the weights at the end of one leave them uncorrelated.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jax import Array

from kerneldistill.kernels.layers import (
    Activation,
    AvgPool,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    Layer,
    Residual,
    leaves,
)
from kerneldistill.kernels.names import KERNEL_KINDS

# What reaches a layer: the images, functions that are Gaussian at each pixel, or neither.
_State = Literal["images", "gaussian", "other"]


def check_layers(layers: Sequence[Layer]) -> None:
    """Raises ValueError unless `layers` are a network: see `kerneldistill.kernels.networks.Network`."""
    heads = [i for i, layer in enumerate(layers) if isinstance(layer, Flatten | GlobalAvgPool)]
    if len(heads) != 1:
        raise ValueError(f"a network has exactly one head (Flatten or GlobalAvgPool); this one has {len(heads)}")
    for i, layer in enumerate(layers):
        side = "before" if i < heads[0] else "after"
        if not isinstance(layer, Layer):
            raise ValueError(f"layer {i} is {layer!r}: layers are those of kerneldistill.kernels.layers")
        if isinstance(layer, Dense if side == "before" else Conv | AvgPool | Residual):
            raise ValueError(f"layer {i}, {layer}, cannot stand {side} the head, {layers[heads[0]]}")
    for layer in leaves(layers):
        if isinstance(layer, Conv | Dense) and (layer.W_std <= 0 or layer.b_std < 0):
            raise ValueError(f"{layer}: W_std must be > 0 and b_std >= 0")
    _follow(layers, "images")


def _follow(layers: Sequence[Layer], state: _State) -> _State:
    """Passes what is known of the functions through the layers."""
    for layer in layers:
        match layer:
            case Conv() | Dense():
                state = "gaussian"
            case Activation() if state == "images":
                raise ValueError(f"{layer} acts on the images themselves: put a Conv or a Dense before it")
            case Activation() if state == "other":
                raise ValueError(f"{layer} acts on what is not Gaussian: put a Conv or a Dense directly before it")
            case Activation():
                state = "other"
            case Flatten() if state == "gaussian":
                state = "other"  # pixels of different variance, of which only the mean is kept
            case Residual():
                state = _follow_residual(layer, state)
    return state


def _follow_residual(block: Residual, state: _State) -> _State:
    if not all(isinstance(layer, Conv | Activation | Residual) for layer in block.branch):
        raise ValueError(f"{block}: a branch is made of Conv, Activation and Residual")
    if not block.branch or not isinstance(block.branch[-1], Conv):
        raise ValueError(f"{block}: a branch must end with a Conv, which leaves it uncorrelated with the shortcut")
    if block.shortcut is None and state == "images":
        raise ValueError(f"{block}: images have not the channels of a branch: give the block a Conv as its shortcut")
    _follow(block.branch, state)
    return state if block.shortcut is None else "gaussian"


def check_image_shape(layers: Sequence[Layer], shape: Sequence[int]) -> None:
    """Raises ValueError where images of `shape` (h, w, c) cannot pass the pools."""
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"images must be [n, height, width, channels]; got images of shape {tuple(shape)}")
    pools = sum(isinstance(layer, AvgPool) for layer in layers)
    if min(shape[:2]) < 2**pools:
        raise ValueError(
            f"images of {shape[0]} x {shape[1]} are too small for {pools} poolings of 2 x 2: "
            f"at least {2**pools} x {2**pools} is needed; use fewer blocks"
        )


def check_kind(kind: str) -> None:
    """Raises ValueError unless `kind` names a kernel."""
    if kind not in KERNEL_KINDS:
        raise ValueError(f"unknown kernel {kind!r}; allowed: {', '.join(KERNEL_KINDS)}")


def check_images(images: Array | np.ndarray, image_shape: tuple[int, ...], dtype: np.dtype, name: str) -> None:
    """Raises ValueError unless `images` is [n, *image_shape] with n >= 1, of `dtype` and finite. Reads every pixel."""
    if images.ndim != 4 or tuple(images.shape[1:]) != tuple(image_shape) or images.shape[0] == 0:
        raise ValueError(f"{name} must be [n, {', '.join(map(str, image_shape))}] with n >= 1; got {images.shape}")
    if images.dtype != dtype:
        raise ValueError(f"{name} must be {dtype}; got {images.dtype}: convert with .astype({np.dtype(dtype).name!r})")
    if not np.isfinite(np.asarray(images)).all():
        raise ValueError(f"{name} must be finite; they hold NaN or infinite pixels: find and drop those images before")


def check_arguments(x1: Array, x2: Array) -> None:
    """Raises ValueError unless both are floating images [n, h, w, c] of one shape and dtype. Never reads a pixel."""
    for name, x in (("x1", x1), ("x2", x2)):
        if x.ndim != 4 or x.shape[0] == 0:
            raise ValueError(f"{name} must be [n, height, width, channels] with n >= 1; got {x.shape}")
        if x.dtype not in (np.float32, np.float64):
            raise ValueError(f"{name} must be float32 or float64; got {x.dtype}: convert with .astype('float32')")
    if x1.shape[1:] != x2.shape[1:]:
        raise ValueError(f"x1 and x2 must hold images of one shape; got {x1.shape[1:]} and {x2.shape[1:]}")
    if x1.dtype != x2.dtype:
        raise ValueError(f"x1 and x2 must be of one dtype; got {x1.dtype} and {x2.dtype}")
