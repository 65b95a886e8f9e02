"""VGG-11 for small images, as Dataset Condensation has it (2006.05929; VICO-UoE/DatasetCondensation networks.py 218).

Eight convolutions 3x3, each with a norm, five maximum pools, one dense layer.
"""

import flax.linen as nn
from jax import Array

from kerneldistill.evaluation.network_spec import NetworkSpec, Norm
from kerneldistill.evaluation.networks.model import Model, flax_model
from kerneldistill.evaluation.networks.torch_layers import conv, dense, first_padding, flat, halve_by_maximum, norm

# Channels of the convolutions between two pools, by those of the first.
_STAGES = ((1,), (2,), (4, 4), (8, 8), (8, 8))


class Vgg11(nn.Module):
    """outputs: classes. width: channels of the first layer. norm: behind each convolution."""

    outputs: int
    width: int
    norm: Norm

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Outputs [n, outputs] of images [n, h, w, c]."""
        for number, stage in enumerate(_STAGES):
            for channels in stage:
                x = conv(x, channels * self.width, padding=first_padding(x) if number == 0 else 1)
                x = nn.relu(norm(x, self.norm, train))
            x = halve_by_maximum(x)
        return dense(flat(x), self.outputs)


def build(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """Return the network of a spec."""
    return flax_model(Vgg11(outputs, spec.width, spec.norm), image_shape)
