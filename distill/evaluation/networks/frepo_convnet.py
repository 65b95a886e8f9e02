"""FRePo's ConvNet (Zhou et al. 2022, 2206.00719; yongchaoz/FRePo networks.py, `Conv`).

DC's without norm, the width doubled from block to block, LeCun's draw.
"""

import flax.linen as nn
from jax import Array

from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Model, flax_model
from kerneldistill.evaluation.networks.torch_layers import first_padding, flat, halve


class FrepoConvNet(nn.Module):
    """outputs: classes. width: channels of the first block. depth: blocks."""

    outputs: int
    width: int
    depth: int

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Outputs [n, outputs] of images [n, h, w, c]; the same in training."""
        for block in range(self.depth):
            around = first_padding(x) if block == 0 else 1
            x = halve(nn.relu(nn.Conv(self.width * 2**block, (3, 3), padding=[(around, around)] * 2)(x)))
        return nn.Dense(self.outputs)(flat(x))


def build(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """Return the network of a spec."""
    return flax_model(FrepoConvNet(outputs, spec.width, spec.depth), image_shape)
