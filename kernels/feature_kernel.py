"""Kernels of the features of a function of yours: K(x, x') = <phi(x), phi(x')> + b_std^2.

    kernel = features(phi)                       # phi: images [n, h, w, c] -> [n, d], differentiable by jax
    kernel = features(tangent_features(f, p))    # the empirical NTK of the finite network f at p, summed over outputs

What is learned by such a kernel is a set from which a linear model on phi is fitted: an encoder that was trained on
much data carries that over (CLP-DD, 2605.07194; LGM, 2511.16674). `feature_engine` computes with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import Array

# Images [n, h, w, c] to features [n, d].
Encoder = Callable[[Array], Array]
Params = TypeVar("Params")


@dataclass(frozen=True, eq=False)
class FeatureKernel:
    """A kernel that is the product of features.

    phi: images [n, h, w, c] to features [n, d], differentiable, of each image by itself
    b_std: its square is added to every entry, as by a last layer with biases of that deviation
    """

    phi: Encoder
    b_std: float = 0.1

    @property
    def name(self) -> str:
        """`module:function`, by which runs and bundles name the encoder."""
        own = self.phi if hasattr(self.phi, "__qualname__") else type(self.phi)
        return f"{own.__module__}:{own.__qualname__}"


def features(phi: Encoder, b_std: float = 0.1) -> FeatureKernel:
    """The kernel <phi(x), phi(x')> + b_std^2 of an encoder of yours.

    Args:
      phi: images [n, h, w, c] to features [n, d]: a function that jax can trace and differentiate, of each image by
        itself (no batch statistics), and always the same
      b_std: its square is added to every entry; 0 for none

    Example:
      kd.distill(images, labels, kernel=kd.kernels.features(phi))
    """
    if not callable(phi):
        raise ValueError(f"phi is {phi!r:.80}, allowed is a function of images [n, h, w, c] that returns [n, d]")
    return FeatureKernel(phi, float(b_std))


def tangent_features(apply: Callable[[Params, Array], Array], params: Params) -> Encoder:
    """The encoder whose kernel is the empirical NTK of a finite network, summed over its outputs.

        phi(x) = df(x) / dparams,    <phi(x), phi(x')> = sum over outputs a of Theta[x, a, x', a]
    which is `finite_ntk.mean_ntk` times the number of outputs. Features are as many as outputs times parameters: it
    suits small networks.

    Args:
      apply: outputs [n, k] of parameters and images [n, h, w, c]
      params: of the network, a pytree
    """

    def of_one(image: Array) -> Array:
        jacobian = jax.jacrev(lambda own: apply(own, image[None])[0])(params)
        return jnp.concatenate([leaf.reshape(-1) for leaf in jax.tree.leaves(jacobian)])

    # One image at a time: the Jacobians of a group would be held several times over.
    return lambda images: jax.lax.map(of_one, images)
