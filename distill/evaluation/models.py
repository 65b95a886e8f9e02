"""A network's two pure functions, whichever library it is from."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks import ConvNet, FrepoConvNet, Mlp, ResNet18
from kerneldistill.kernels.finite_width import FiniteNetwork
from kerneldistill.kernels.networks import conv_net


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


@lru_cache(maxsize=64)
def model_of(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """The model of a spec for images of (h, w, c); equal arguments give the same functions, which compile once.

    Raises:
      UserError: the images are too small for the network.
    """
    spec.check_image(image_shape)
    match spec.family:
        case "kip-convnet":
            return _kip(spec, image_shape, outputs)
        case "convnet":
            return _flax(ConvNet(outputs, spec.width, spec.depth, spec.norm), image_shape)
        case "frepo-convnet":
            return _flax(FrepoConvNet(outputs, spec.width, spec.depth), image_shape)
        case "mlp":
            return _flax(Mlp(outputs, spec.width, spec.depth), image_shape)
        case "resnet18":
            return _flax(ResNet18(outputs, spec.width, spec.norm), image_shape)


def _kip(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """KIP's ConvNet with the prepended convolution, in the standard parameterisation (nn_training.ipynb)."""
    net = FiniteNetwork(conv_net(spec.depth).standard(spec.width), image_shape, spec.width, outputs)
    return Model(
        init=lambda key: Variables(net.init(key), {}),
        apply=lambda variables, images: net.apply(variables.params, images),
        train=lambda variables, images: (net.apply(variables.params, images), variables.stats),
    )


def _flax(module: nn.Module, image_shape: tuple[int, int, int]) -> Model:
    def init(key: Array) -> Variables:
        made = module.init(key, jnp.zeros((1, *image_shape), jnp.float32), train=False)
        return Variables(made["params"], made.get("batch_stats", {}))

    def apply(variables: Variables, images: Array) -> Array:
        return module.apply({"params": variables.params, "batch_stats": variables.stats}, images, train=False)

    def train(variables: Variables, images: Array) -> tuple[Array, Any]:
        both = {"params": variables.params, "batch_stats": variables.stats}
        outputs, changed = module.apply(both, images, train=True, mutable=["batch_stats"])
        return outputs, changed.get("batch_stats", {})

    return Model(init, apply, train)
