"""What the numbers of a whitening must satisfy: one that was read may be a stranger's."""

import math
from typing import Any

import numpy as np

from kerneldistill.pipeline.untrusted.limits import MAX_PREPARED_SIDE
from kerneldistill.pipeline.untrusted.names import is_name
from kerneldistill.pipeline.whitening.blocks import Blocks

# Pixels over `input_scale` lie in 0..1, so their mean and deviation do, too; the rest is far above what a fit gives.
_ARRAYS = {"channel_mean": (-10.0, 10.0), "feature_mean": (-1e6, 1e6), "W": (-1e9, 1e9), "W_inv": (-1e9, 1e9)}
_NUMBERS = {"input_scale": (1.0, 65535.0), "reg": (0.0, 1e9), "image_mean": (-1e6, 1e6), "image_norm": (0.0, 1e6)}
_TYPES = {"block": int, "n_fit": int, "per_image_norm": bool, **dict.fromkeys(_NUMBERS, float)}
_TEXTS = ("kind", "reg_mode", "fit_split", "data_fingerprint")
# Of W W_inv v from v, relative; both are float64 products of one eigendecomposition.
_INVERSE = 1e-6


def fault_of(whitener: Any) -> str | None:
    """Return the first thing that is wrong with a `Whitener`, in words; None if it can be used."""
    wrong_type = next((n for n, kind in _TYPES.items() if type(getattr(whitener, n)) is not kind), None)
    if wrong_type is not None:
        return f"{wrong_type} is no {_TYPES[wrong_type].__name__}"
    for name in _TEXTS:
        text = getattr(whitener, name)
        if not isinstance(text, str) or (text and not is_name(text)):
            return f"{name} is no short text"
    shape = whitener.image_shape
    if len(shape) != 3 or not all(type(side) is int and 1 <= side <= MAX_PREPARED_SIDE for side in shape):
        return f"image_shape is {str(shape)[:80]}, allowed is (h, w, c) from 1 to {MAX_PREPARED_SIDE}"
    return _fault_of_shapes(whitener) or _fault_of_values(whitener)


def _fault_of_shapes(whitener: Any) -> str | None:
    height, width, channels = whitener.image_shape
    block = whitener.block
    if block < 0 or (block and (height % block or width % block)):
        return f"block is {block}, which does not divide the image"
    cut = Blocks(whitener.image_shape, block)
    matrix = (cut.count, cut.features, cut.features) if block else (cut.features, cut.features)
    if not whitener.W.size:
        matrix = (0, 0)
    shapes = {
        "channel_mean": (channels,),
        "channel_std": (channels,),
        "feature_mean": (math.prod(whitener.image_shape),),
    }
    for name, wanted in {**shapes, "W": matrix, "W_inv": matrix}.items():
        array: Any = getattr(whitener, name)
        if not isinstance(array, np.ndarray) or array.dtype != np.float64 or array.shape != wanted:
            return f"{name} is no float64 {wanted}"
    return None


def _fault_of_values(whitener: Any) -> str | None:
    for name, (low, high) in {**_ARRAYS, **_NUMBERS}.items():
        value = getattr(whitener, name)
        if np.size(value) and not (low <= np.min(value) and np.max(value) <= high):  # nan keeps no bound
            return f"{name} is not within {low:g} and {high:g}"
    if not (whitener.channel_std.min() > 0 and whitener.channel_std.max() <= 10):
        return "channel_std is not above 0 and at most 10"
    if whitener.n_fit < 0 or whitener.reg_mode not in ("relative", "absolute"):
        return "n_fit is below 0, or reg_mode is neither relative nor absolute"
    if whitener.W.size:
        v = np.cos(np.arange(whitener.W.shape[-1]))
        again = whitener.W @ (whitener.W_inv @ v)[..., None]
        if not np.abs(again[..., 0] - v).max() <= _INVERSE:
            return "W_inv is not the inverse of W"
    return None
