"""A network as pure functions, whichever library it is from."""

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple, Protocol, cast

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from kerneldistill.evaluation.network_spec import FAMILIES, NetworkSpec
from kerneldistill.kernels.finite_width import FiniteNetwork
from kerneldistill.kernels.network import Network


class Variables(NamedTuple):
    """What a network is made of.

    params: pytree of what is learned
    stats: pytree of running means of batch normalisation; empty without it
    """

    params: Any
    stats: Any


class Model(NamedTuple):
    """A network as pure functions.

    init: variables from a key
    apply: outputs [n, k] of variables and images [n, h, w, c]
    train: outputs and the next running means, in training
    """

    init: Callable[[Array], Variables]
    apply: Callable[[Variables, Array], Array]
    train: Callable[[Variables, Array], tuple[Array, Any]]


class Builder(Protocol):
    """A module of a family of networks."""

    def build(self, spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
        """Return the network of a spec for images of (h, w, c)."""
        ...


@lru_cache(maxsize=64)
def model_of(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """Return the model of a spec for images of (h, w, c); equal arguments give the same functions, which compile once.

    Raises:
      UserError: the images are too small for the network.
    """
    spec.check_image(image_shape)
    module = import_module(f"kerneldistill.evaluation.networks.{FAMILIES[spec.family].module}")
    return cast(Builder, module).build(spec, image_shape, outputs)


def finite_model(network: Network, width: int, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """Return the finite network of a kernel, in the standard parameterisation of its own width, as a model."""
    net = FiniteNetwork(network.standard(width), image_shape, width, outputs)
    return Model(
        init=lambda key: Variables(net.init(key), {}),
        apply=lambda variables, images: net.apply(variables.params, images),
        train=lambda variables, images: (net.apply(variables.params, images), variables.stats),
    )


def flax_model(module: nn.Module, image_shape: tuple[int, int, int]) -> Model:
    """Return a flax module, called with images and `train`, as a model."""

    def init(key: Array) -> Variables:
        made = module.init(key, jnp.zeros((1, *image_shape), jnp.float32), train=False)
        return Variables(made["params"], made.get("batch_stats", {}))

    def apply(variables: Variables, images: Array) -> Array:
        both = {"params": variables.params, "batch_stats": variables.stats}
        return cast(Array, module.apply(both, images, train=False))

    def train(variables: Variables, images: Array) -> tuple[Array, Any]:
        both = {"params": variables.params, "batch_stats": variables.stats}
        outputs, changed = module.apply(both, images, train=True, mutable=["batch_stats"])
        return outputs, changed.get("batch_stats", {})

    return Model(init, apply, train)
