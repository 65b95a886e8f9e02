"""The vision transformer that has an exact kernel, in the standard parameterisation.

It is the finite network of the kernel `vit` with patches of 4x4 pixels, which says how it differs from the judge `vit`,
so `kernels` has it: attention with one matrix for queries and keys, in heads of 64 channels.
"""

from kerneldistill.errors import UserError
from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Model, finite_model
from kerneldistill.kernels.architectures import vit


def build(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """Return the network of a spec.

    Raises:
      UserError: the images have more patches than the kernel takes.
    """
    try:
        return finite_model(vit(spec.depth), spec.width, image_shape, outputs)
    except ValueError as error:
        raise UserError(f"--networks has {spec.name}, and {error}; or name vit instead") from error
