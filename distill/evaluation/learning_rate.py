"""The largest stable learning rate of gradient descent on a mean square, from the empirical NTK.

For the loss 1/(2 n k) |f(x) - y|^2 gradient descent contracts while rate < 2 n k / lambda_max(Theta), Theta the NTK of
n images and k outputs (neural-tangents' `max_learning_rate`). As in KIP's nn_training.ipynb, Theta is that of the one
function sum_a f_a / sqrt(k), whose mean over first weights equals that of every output.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Variables, model_of
from kerneldistill.kernels.finite_ntk import largest_eigenvalue

# Images of the estimate, nn_training.ipynb's empirical_ntk_num_inputs.
NTK_IMAGES = 50


def largest_stable_rate(spec: NetworkSpec, variables: Variables, images: np.ndarray, outputs: int) -> float:
    """Return the largest stable learning rate of a network at `variables`.

    Args:
      spec: of the network
      variables: where it starts
      images: float32 [n, h, w, c]; the first `NTK_IMAGES` are used
      outputs: k
    """
    model, used = model_of(spec, images.shape[1:], outputs), images[:NTK_IMAGES]

    def reduced(params: object, x: Array) -> Array:
        found = model.apply(Variables(params, variables.stats), x)
        return found.sum(1, keepdims=True) / np.float32(np.sqrt(outputs))

    return 2 * len(used) * outputs / largest_eigenvalue(reduced, variables.params, jnp.asarray(used))
