"""KIP's ConvNet with the prepended convolution, in the standard parameterisation (nn_training.ipynb).

It is the finite network of the kernel, so `kernels` has it.
"""

from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Model, finite_model
from kerneldistill.kernels.architectures import conv_net


def build(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """Return the network of a spec."""
    return finite_model(conv_net(spec.depth), spec.width, image_shape, outputs)
