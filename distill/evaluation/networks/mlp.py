"""DC's multi-layer perceptron (Zhao et al. 2020, 2006.05929): `depth` hidden layers of ReLU."""

import flax.linen as nn
from jax import Array

from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Model, flax_model
from kerneldistill.evaluation.networks.torch_layers import dense, flat


class Mlp(nn.Module):
    """outputs: classes. width: units of a hidden layer. depth: hidden layers."""

    outputs: int
    width: int
    depth: int

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Outputs [n, outputs] of images [n, h, w, c]; the same in training."""
        x = flat(x)
        for _ in range(self.depth):
            x = nn.relu(dense(x, self.width))
        return dense(x, self.outputs)


def build(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """Return the network of a spec."""
    return flax_model(Mlp(outputs, spec.width, spec.depth), image_shape)
