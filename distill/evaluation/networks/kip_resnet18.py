"""ResNet-18, pre-activation and without normalisation, in the standard parameterisation.

It is the finite network of the kernel `resnet` of depth 18, so `kernels` has it: all hidden layers have one width.
"""

from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Model, finite_model
from kerneldistill.kernels.architectures import resnet


def build(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """Return the network of a spec."""
    return finite_model(resnet(spec.depth), spec.width, image_shape, outputs)
