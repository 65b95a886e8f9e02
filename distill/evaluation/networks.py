"""The networks that distilled sets are judged by, in flax.

    convnet        DC (Zhao et al. 2020, 2006.05929; VICO-UoE/DatasetCondensation networks.py): `depth` blocks of
                   conv 3x3, norm, ReLU, average pool 2x2; Flatten; dense. Images of 28x28 are padded to 32x32.
    frepo-convnet  FRePo (Zhou et al. 2022, 2206.00719; yongchaoz/FRePo networks.py, `Conv`): the same without norm,
                   the width doubled from block to block, LeCun's draw.
    mlp            DC: `depth` hidden layers of ReLU.
    resnet18       He et al. 2016 in the variant for small images (kuangliu/pytorch-cifar): first conv 3x3 without a
                   pool, four stages of two basic blocks, global mean.

KIP's ConvNet is `kerneldistill.kernels.finite_width`'s, which is the finite network of the kernel.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from kerneldistill.evaluation.network_spec import Norm
from kerneldistill.evaluation.torch_layers import conv, dense, halved, norm


class ConvNet(nn.Module):
    """outputs: classes. width: channels. depth: blocks. norm: behind each convolution."""

    outputs: int
    width: int
    depth: int
    norm: Norm

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Outputs [n, outputs] of images [n, h, w, c]."""
        for block in range(self.depth):
            x = conv(x, self.width, padding=_first_padding(x) if block == 0 else 1)
            x = halved(nn.relu(norm(x, self.norm, train)))
        return dense(_flat(x), self.outputs)


class FrepoConvNet(nn.Module):
    """outputs: classes. width: channels of the first block. depth: blocks."""

    outputs: int
    width: int
    depth: int

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Outputs [n, outputs] of images [n, h, w, c]; the same in training."""
        for block in range(self.depth):
            around = _first_padding(x) if block == 0 else 1
            x = halved(nn.relu(nn.Conv(self.width * 2**block, (3, 3), padding=[(around, around)] * 2)(x)))
        return nn.Dense(self.outputs)(_flat(x))


class Mlp(nn.Module):
    """outputs: classes. width: units of a hidden layer. depth: hidden layers."""

    outputs: int
    width: int
    depth: int

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Outputs [n, outputs] of images [n, h, w, c]; the same in training."""
        x = _flat(x)
        for _ in range(self.depth):
            x = nn.relu(dense(x, self.width))
        return dense(x, self.outputs)


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


def _basic_block(x: Array, channels: int, stride: int, kind: Norm, train: bool) -> Array:
    y = nn.relu(norm(conv(x, channels, stride=stride, bias=False), kind, train))
    y = norm(conv(y, channels, bias=False), kind, train)
    if stride > 1 or x.shape[-1] != channels:
        x = norm(conv(x, channels, size=1, stride=stride, bias=False), kind, train)
    return nn.relu(x + y)


def _first_padding(x: Array) -> int:
    """DC's and FRePo's: 28x28 become 32x32 in the first convolution."""
    return 3 if x.shape[1:3] == (28, 28) else 1


def _flat(x: Array) -> Array:
    return x.reshape(len(x), -1)
