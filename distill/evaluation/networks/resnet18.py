"""ResNet-18 (He et al. 2016) in the variant for small images (kuangliu/pytorch-cifar).

First conv 3x3 without a pool, four stages of two basic blocks, global mean.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from kerneldistill.evaluation.network_spec import NetworkSpec, Norm
from kerneldistill.evaluation.networks.model import Model, flax_model
from kerneldistill.evaluation.networks.torch_layers import conv, dense, norm


class ResNet18(nn.Module):
    """outputs: classes. width: channels of the first stage. norm: behind each convolution."""

    outputs: int
    width: int
    norm: Norm

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Outputs [n, outputs] of images [n, h, w, c]."""
        x = nn.relu(norm(conv(x, self.width, bias=False), self.norm, train))
        for stage in range(4):
            for block in range(2):
                stride = 2 if stage and not block else 1
                x = _basic_block(x, self.width * 2**stage, stride, self.norm, train)
        return dense(jnp.mean(x, axis=(1, 2)), self.outputs)


def build(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """Return the network of a spec."""
    return flax_model(ResNet18(outputs, spec.width, spec.norm), image_shape)


def _basic_block(x: Array, channels: int, stride: int, kind: Norm, train: bool) -> Array:
    y = nn.relu(norm(conv(x, channels, stride=stride, bias=False), kind, train))
    y = norm(conv(y, channels, bias=False), kind, train)
    if stride > 1 or x.shape[-1] != channels:
        x = norm(conv(x, channels, size=1, stride=stride, bias=False), kind, train)
    return nn.relu(x + y)
