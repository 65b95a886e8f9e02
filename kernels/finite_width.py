"""The finite network of a spec: plain JAX, pure functions of parameters and images. Its wide limit is the kernel.

NTK parameterisation:       y = W_std / sqrt(fan_in) W x + b_std b,    W, b ~ N(0, 1)
standard (2001.07301):      y = W x / sqrt(s) + b,    W ~ N(0, W_std^2 / N),    b ~ N(0, b_std^2)
with N the fan-in of the network of `Network.width`, s the factor by which this one is wider: s N = fan_in. At
s = 1 it is what deep learning libraries make.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.kernels.activations import dual_of
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
from kerneldistill.kernels.networks import Network


class Weights(NamedTuple):
    """Parameters of one layer.

    W: [3, 3, inputs, outputs] of a Conv, [inputs, outputs] of a Dense.
    b: [outputs], or None for b_std = 0.
    """

    W: Array
    b: Array | None


Params = tuple[Weights, ...]  # one per Conv and Dense, in the order of `kerneldistill.kernels.layers.leaves`


class _Scale(NamedTuple):
    """How a layer's parameters are drawn and used: y = forward W x + shift b."""

    fan_in: int
    draw: float  # standard deviation of W at the start
    forward: float
    draw_bias: float
    shift: float


@dataclass(frozen=True)
class FiniteNetwork:
    """A network of finite width. Example:

        net = FiniteNetwork(conv_net(3), image_shape=(32, 32, 3), width=1024, outputs=10)
        logits = net.apply(net.init(jax.random.key(0)), images)

    network: the spec; it ends with a Dense.
    image_shape: (h, w, c).
    width: channels of every hidden layer.
    outputs: of the last layer.
    dtype: of the parameters.

    Raises:
      ValueError: the network does not end with a Dense, images cannot pass its pools, or a width below 1.
    """

    network: Network
    image_shape: tuple[int, int, int]
    width: int
    outputs: int = 1
    dtype: jnp.dtype = jnp.float32

    def __post_init__(self) -> None:
        self.network.check_images(self.image_shape)
        if not isinstance(self.network.layers[-1], Dense):
            raise ValueError(f"a finite network ends with a Dense; this one with {self.network.layers[-1]}")
        if self.width < 1 or self.outputs < 1:
            raise ValueError(f"width and outputs must be >= 1; got {self.width} and {self.outputs}")

    def init(self, key: Array) -> Params:
        """Draws the parameters."""
        weighted = self._weighted()
        scales = self._scales()
        keys = jax.random.split(key, 2 * len(weighted))
        params = []
        for i, (layer, scale) in enumerate(zip(weighted, scales, strict=True)):
            outputs = self.width if i + 1 < len(weighted) else self.outputs
            shape = (3, 3, scale.fan_in // 9, outputs) if isinstance(layer, Conv) else (scale.fan_in, outputs)
            W = scale.draw * jax.random.normal(keys[2 * i], shape, self.dtype)
            b = scale.draw_bias * jax.random.normal(keys[2 * i + 1], (outputs,), self.dtype)
            params.append(Weights(W, b if layer.b_std > 0 else None))
        return tuple(params)

    def apply(self, params: Params, images: Array) -> Array:
        """Outputs [n, outputs] of images [n, h, w, c] in the dtype of the parameters.

        Raises:
          ValueError: the images are not of `image_shape` or of that dtype.
        """
        if images.ndim != 4 or tuple(images.shape[1:]) != tuple(self.image_shape) or images.dtype != params[0].W.dtype:
            raise ValueError(
                f"images must be {params[0].W.dtype} [n, {', '.join(map(str, self.image_shape))}]; "
                f"got {images.dtype} {images.shape}"
            )
        return _apply(self.network.layers, iter(zip(params, self._scales(), strict=True)), images)

    def embed(self, params: Params, images: Array) -> Array:
        """What the last layer sees of images [n, h, w, c]: [n, features]. Its parameters are not used."""
        return _apply(self.network.layers[:-1], iter(zip(params, self._scales(), strict=True)), images)

    def _weighted(self) -> list[Conv | Dense]:
        return [layer for layer in leaves(self.network.layers) if isinstance(layer, Conv | Dense)]

    def _scales(self) -> list[_Scale]:
        fan_ins = self.network.fan_ins(self.image_shape, self.width)
        if self.network.parameterization == "ntk":
            return [
                _Scale(fan_in, 1.0, layer.W_std / sqrt(fan_in), 1.0, layer.b_std)
                for layer, fan_in in zip(self._weighted(), fan_ins, strict=True)
            ]
        base = self.network.fan_ins(self.image_shape, self.network.width)
        return [
            _Scale(fan_in, layer.W_std / sqrt(n), sqrt(n / fan_in), layer.b_std, 1.0)
            for layer, fan_in, n in zip(self._weighted(), fan_ins, base, strict=True)
        ]


def _apply(layers: Sequence[Layer], weights: Iterator[tuple[Weights, _Scale]], x: Array) -> Array:
    for layer in layers:
        match layer:
            case Conv() | Dense():
                x = _affine(*next(weights), x)
            case Activation():
                x = dual_of(layer.function).apply(x)
            case Residual(branch, shortcut):
                y = _apply(branch, weights, x)
                x = y + (x if shortcut is None else _affine(*next(weights), x))
            case AvgPool():
                n, height, width, channels = x.shape
                even = x[:, : height // 2 * 2, : width // 2 * 2]
                x = jnp.mean(even.reshape(n, height // 2, 2, width // 2, 2, channels), axis=(2, 4))
            case Flatten():
                x = x.reshape(x.shape[0], -1)
            case GlobalAvgPool():
                x = jnp.mean(x, axis=(1, 2))
    return x


def _affine(weights: Weights, scale: _Scale, x: Array) -> Array:
    if x.ndim == 4:
        y = lax.conv_general_dilated(x, weights.W, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    else:
        y = x @ weights.W
    y = scale.forward * y
    return y if weights.b is None else y + (scale.shift * weights.b).reshape(*[1] * (y.ndim - 1), -1)
