"""AlexNet for small images, as Dataset Condensation has it (2006.05929; VICO-UoE/DatasetCondensation networks.py 141).

Five convolutions and three maximum pools; one dense layer. Its batch-normalised form is line 174 there.
"""

import flax.linen as nn
from jax import Array

from kerneldistill.evaluation.network_spec import NetworkSpec, Norm
from kerneldistill.evaluation.networks.model import Model, flax_model
from kerneldistill.evaluation.networks.torch_layers import conv, dense, first_padding, flat, halve_by_maximum, norm

# Size of the filter, channels by those of the first layer, and whether a pool follows.
_LAYERS = ((5, 1.0, True), (5, 1.5, True), (3, 2.0, False), (3, 1.5, False), (3, 1.5, True))


class AlexNet(nn.Module):
    """outputs: classes. width: channels of the first layer. norm: behind each convolution."""

    outputs: int
    width: int
    norm: Norm

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Outputs [n, outputs] of images [n, h, w, c]."""
        for number, (size, channels, pooled) in enumerate(_LAYERS):
            around = first_padding(x, size) if number == 0 else None
            x = conv(x, round(channels * self.width), size, padding=around)
            x = nn.relu(norm(x, self.norm, train))
            if pooled:
                x = halve_by_maximum(x)
        return dense(flat(x), self.outputs)


def build(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """Return the network of a spec."""
    return flax_model(AlexNet(outputs, spec.width, spec.norm), image_shape)
