"""Layers as torch draws and places them: the networks of DC, DSA and their successors are torch's."""

from math import sqrt

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from kerneldistill.evaluation.network_spec import Norm

# He et al. 2015 with a = sqrt(5), as torch calls it: W ~ U(-1/sqrt(fan_in), 1/sqrt(fan_in)), variance 1/(3 fan_in).
_weights = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def conv(
    x: Array, channels: int, size: int = 3, stride: int = 1, padding: int | None = None, bias: bool = True
) -> Array:
    """Return a convolution of `size` x `size`; by default its output is as large as x / stride. Of a compact module."""
    around = size // 2 if padding is None else padding
    return nn.Conv(
        channels,
        (size, size),
        (stride, stride),
        [(around, around)] * 2,
        use_bias=bias,
        kernel_init=_weights,
        bias_init=_bias(size * size * x.shape[-1]),
    )(x)


def dense(x: Array, outputs: int) -> Array:
    """Return a dense layer. Of a compact module."""
    return nn.Dense(outputs, kernel_init=_weights, bias_init=_bias(x.shape[-1]))(x)


def norm(x: Array, kind: Norm, train: bool) -> Array:
    """Return a normalisation with learned scale and shift, eps 1e-5. Of a compact module.

    instance: of each channel of each image; layer: of each image, a scale and shift for every pixel and channel; batch:
    of each channel, by the batch in training and by running means (momentum 0.9) otherwise.
    """
    options = {"epsilon": 1e-5, "use_fast_variance": False}
    match kind:
        case "none":
            return x
        case "instance":
            return nn.GroupNorm(num_groups=None, group_size=1, **options)(x)
        case "layer":
            return nn.LayerNorm(reduction_axes=(1, 2, 3), feature_axes=(1, 2, 3), **options)(x)
        case "batch":
            return nn.BatchNorm(use_running_average=not train, momentum=0.9, **options)(x)


def halve(x: Array) -> Array:
    """Average pool 2x2; an odd last row or column is left out."""
    # flax's avg_pool divides by an int64, which strict promotion of types refuses.
    return nn.pool(x, 0.0, jax.lax.add, (2, 2), (2, 2), "VALID") / 4


def halve_by_maximum(x: Array) -> Array:
    """Maximum pool 2x2; an odd last row or column is left out."""
    return nn.max_pool(x, (2, 2), (2, 2))


def first_padding(x: Array, size: int = 3) -> int:
    """Padding of DC's and FRePo's first convolution of `size` x `size`, which makes 32x32 of 28x28."""
    return size // 2 + (2 if x.shape[1:3] == (28, 28) else 0)


def flat(x: Array) -> Array:
    """Return images [n, h, w, c] as rows [n, h * w * c]."""
    return x.reshape(len(x), -1)


def _bias(fan_in: int) -> nn.initializers.Initializer:
    def draw(key: Array, shape: tuple[int, ...], dtype: jnp.dtype) -> Array:
        return jax.random.uniform(key, shape, dtype, -1 / sqrt(fan_in), 1 / sqrt(fan_in))

    return draw
