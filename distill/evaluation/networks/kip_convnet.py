"""KIP's ConvNet with the prepended convolution, in the standard parameterisation (nn_training.ipynb).

It is the finite network of the kernel, so `kernels` has it.
"""

from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Model, Variables
from kerneldistill.kernels.architectures import conv_net
from kerneldistill.kernels.finite_width import FiniteNetwork


def build(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """Return the network of a spec."""
    net = FiniteNetwork(conv_net(spec.depth).standard(spec.width), image_shape, spec.width, outputs)
    return Model(
        init=lambda key: Variables(net.init(key), {}),
        apply=lambda variables, images: net.apply(variables.params, images),
        train=lambda variables, images: (net.apply(variables.params, images), variables.stats),
    )
