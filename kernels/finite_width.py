"""The finite network of a spec: plain JAX, pure functions of parameters and images. Its wide limit is the kernel.

NTK parameterisation:       y = W_std / sqrt(fan_in) W x + b_std b,    W, b ~ N(0, 1)
standard (2001.07301):      y = W x / sqrt(s) + b,    W ~ N(0, W_std^2 / N),    b ~ N(0, b_std^2)
with N the fan-in of the network of `Network.width`, s the factor by which this one is wider: s N = fan_in. At
s = 1 it is what deep learning libraries make.
"""

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import jax
import numpy as np
from jax import Array

from kerneldistill.kernels.layers.layer import Layer, ScaledWeights, Shape, apply
from kerneldistill.kernels.network import Network


class Weights(NamedTuple):
    """Parameters of one layer.

    W: [size, size, inputs, outputs] of a Conv, [inputs, outputs] of a Dense or an attention, [h, w, channels] of
      positions.
    b: [outputs], or None for b_std = 0.
    """

    W: Array
    b: Array | None


Params = tuple[Weights, ...]  # in the order of `Network.weighted`


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
    image_shape: Shape
    width: int
    outputs: int = 1
    dtype: np.dtype | type[np.floating] = np.float32

    def __post_init__(self) -> None:
        self.network.check_images(self.image_shape)
        _ = self.network.readout
        if self.width < 1 or self.outputs < 1:
            raise ValueError(f"width and outputs must be >= 1; got {self.width} and {self.outputs}")

    def init(self, key: Array) -> Params:
        """Draw the parameters."""
        weighted, scales = self.network.weighted, self._scales()
        shapes = self.network.weight_shapes(self.image_shape, self.width)
        keys = jax.random.split(key, 2 * len(weighted))
        params = []
        for i, (path, layer) in enumerate(weighted.items()):
            scale = scales[path]
            shape = shapes[path] if i + 1 < len(weighted) else (*shapes[path][:-1], self.outputs)
            W = scale.draw * jax.random.normal(keys[2 * i], shape, self.dtype)
            b = scale.draw_bias * jax.random.normal(keys[2 * i + 1], shape[-1:], self.dtype)
            params.append(Weights(W, b if layer.b_std > 0 else None))
        return tuple(params)

    def apply(self, params: Params, images: Array) -> Array:
        """Compute the outputs [n, outputs] of images [n, h, w, c] in the dtype of the parameters.

        Raises:
          ValueError: the images are not of `image_shape` or of that dtype.
        """
        if images.ndim != 4 or tuple(images.shape[1:]) != tuple(self.image_shape) or images.dtype != params[0].W.dtype:
            raise ValueError(
                f"images must be {params[0].W.dtype} [n, {', '.join(map(str, self.image_shape))}]; "
                f"got {images.dtype} {images.shape}"
            )
        return self._apply(self.network.named, params, images)

    def embed(self, params: Params, images: Array) -> Array:
        """Compute what the last layer sees of images [n, h, w, c]: [n, features]. Its parameters are not used."""
        layers = self.network.named
        layers.popitem()
        return self._apply(layers, params, images)

    def _apply(self, layers: dict[str, Layer], params: Params, images: Array) -> Array:
        scales = self._scales()
        weights = {
            path: ScaledWeights(own.W, own.b, scales[path].forward, scales[path].shift)
            for path, own in zip(self.network.weighted, params, strict=True)
        }
        return apply(layers, images, weights)

    def _scales(self) -> dict[str, _Scale]:
        network = self.network
        fan_ins = network.fan_ins(self.image_shape, self.width)
        if network.width is None:
            return {
                path: _Scale(fan_ins[path], 1.0, layer.W_std / sqrt(fan_ins[path]), 1.0, layer.b_std)
                for path, layer in network.weighted.items()
            }
        base = network.fan_ins(self.image_shape, network.width)
        return {
            path: _Scale(
                fan_ins[path], layer.W_std / sqrt(base[path]), sqrt(base[path] / fan_ins[path]), layer.b_std, 1.0
            )
            for path, layer in network.weighted.items()
        }
