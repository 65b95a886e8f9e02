"""DC's ConvNet (Zhao et al. 2020, 2006.05929; VICO-UoE/DatasetCondensation networks.py).

`depth` blocks of conv 3x3, norm, ReLU, average pool 2x2; Flatten; dense. Images of 28x28 are padded to 32x32.
"""

import flax.linen as nn
from jax import Array

from kerneldistill.evaluation.network_spec import NetworkSpec, Norm
from kerneldistill.evaluation.networks.model import Model, flax_model
from kerneldistill.evaluation.networks.torch_layers import conv, dense, first_padding, flat, halve, norm


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
            x = conv(x, self.width, padding=first_padding(x) if block == 0 else 1)
            x = halve(nn.relu(norm(x, self.norm, train)))
        return dense(flat(x), self.outputs)


def build(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """Return the network of a spec."""
    return flax_model(ConvNet(outputs, spec.width, spec.depth, spec.norm), image_shape)
