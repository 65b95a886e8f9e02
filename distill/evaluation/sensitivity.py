"""How much a trained network's answer moves with its input (Novak et al. 2018, 1802.08760).

The Frobenius norm of the Jacobian d f(x) / d x at a test image, f the class probabilities, or the outputs of a network
that was fitted to centred labels; x in deviations of the data's pixels. Over networks it goes with how well they
generalise, over images with whether they are right (section 4.4 there).
"""

from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Variables, model_of
from kerneldistill.evaluation.protocol_result import Sensitivity
from kerneldistill.evaluation.protocols import LossName
from kerneldistill.kernels.batching import filled
from kerneldistill.pipeline.split import Split

# Test images that are looked at, the first: each takes a backward pass a class, as much as some 20 predictions.
IMAGES = 100
_BATCH = 20


def sensitivity_of(
    spec: NetworkSpec, variables: Variables, split: Split, outputs: int, loss: LossName, deviation: float
) -> Sensitivity:
    """Measure the sensitivity of a trained network on the first images of a split.

    Args:
      spec: the network
      variables: as trained
      split: the images
      outputs: classes
      loss: it was trained by
      deviation: of a pixel of the data
    """
    images, labels = split.images[:IMAGES], split.labels[:IMAGES]
    norms_of, size = _norms(spec, images.shape[1:], outputs, loss != "mse"), min(_BATCH, len(images))
    parts = [norms_of(variables, jnp.asarray(filled(images[i : i + size], size))) for i in range(0, len(images), size)]
    norms, right = (
        np.concatenate([np.asarray(part) for part in each])[: len(images)] for each in zip(*parts, strict=True)
    )
    norms, right = norms.astype(np.float64) * deviation, right == labels
    return Sensitivity(
        float(norms.mean()),
        float(norms[right].mean()) if right.any() else None,
        float(norms[~right].mean()) if not right.all() else None,
    )


@lru_cache(maxsize=64)
def _norms(
    spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int, probabilities: bool
) -> Callable[[Variables, Array], tuple[Array, Array]]:
    """Norms [n] of the Jacobians at images [n, h, w, c], and the classes [n] that are said."""
    model = model_of(spec, image_shape, outputs)

    def of_one(variables: Variables, image: Array) -> tuple[Array, Array]:
        def answer(x: Array) -> tuple[Array, Array]:
            found = model.apply(variables, x[None])[0]
            return jax.nn.softmax(found) if probabilities else found, found.argmax()

        jacobian, said = jax.jacrev(answer, has_aux=True)(image)
        return jnp.sqrt(jnp.sum(jacobian * jacobian)), said

    return jax.jit(lambda variables, images: jax.lax.map(lambda image: of_one(variables, image), images))
