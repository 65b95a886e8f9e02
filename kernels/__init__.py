"""Exact NNGP and NTK kernels of infinitely wide networks, differentiable in the images. Knows no data set or label.

    from kerneldistill.kernels import conv_net, gram

    k_ts = gram(conv_net(3), targets, support)

`features(phi)` is the kernel of the features of an encoder of yours.

README.md in this folder holds the mathematics and the order to read the code in. Importing this package loads neither
jax nor numpy: each name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerneldistill.kernels.activations import ACTIVATIONS, expansion
    from kerneldistill.kernels.activations.dual import Dual
    from kerneldistill.kernels.activations.hermite import Hermite
    from kerneldistill.kernels.architectures import conv_net, conv_vec, fc_net, myrtle, resnet, vit, wide_resnet
    from kerneldistill.kernels.engine import Engine, JacobianEngine
    from kerneldistill.kernels.exact_engine import ExactEngine
    from kerneldistill.kernels.feature_engine import FeatureEngine
    from kerneldistill.kernels.feature_kernel import FeatureKernel, features, tangent_features
    from kerneldistill.kernels.finite_ntk import empirical_ntk
    from kerneldistill.kernels.finite_width import FiniteNetwork
    from kerneldistill.kernels.gram_matrix import gram
    from kerneldistill.kernels.layers import (
        Activation,
        AvgPool,
        Concat,
        Conv,
        Dense,
        Flatten,
        GlobalAvgPool,
        GlobalSelfAttention,
        LayerNorm,
        PositionalEmbedding,
        Residual,
        Sum,
    )
    from kerneldistill.kernels.network import Network
    from kerneldistill.kernels.sketch import FcSketch

_MODULES = {
    "ACTIVATIONS": "activations",
    "Activation": "layers",
    "AvgPool": "layers",
    "Concat": "layers",
    "Conv": "layers",
    "Dense": "layers",
    "Dual": "activations.dual",
    "Engine": "engine",
    "ExactEngine": "exact_engine",
    "FeatureEngine": "feature_engine",
    "FeatureKernel": "feature_kernel",
    "FcSketch": "sketch",
    "FiniteNetwork": "finite_width",
    "Flatten": "layers",
    "GlobalAvgPool": "layers",
    "GlobalSelfAttention": "layers",
    "Hermite": "activations.hermite",
    "JacobianEngine": "engine",
    "LayerNorm": "layers",
    "Network": "network",
    "PositionalEmbedding": "layers",
    "Residual": "layers",
    "Sum": "layers",
    "conv_net": "architectures",
    "conv_vec": "architectures",
    "empirical_ntk": "finite_ntk",
    "expansion": "activations",
    "fc_net": "architectures",
    "features": "feature_kernel",
    "gram": "gram_matrix",
    "myrtle": "architectures",
    "resnet": "architectures",
    "tangent_features": "feature_kernel",
    "vit": "architectures",
    "wide_resnet": "architectures",
}

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "AvgPool",
    "Concat",
    "Conv",
    "Dense",
    "Dual",
    "Engine",
    "ExactEngine",
    "FcSketch",
    "FeatureEngine",
    "FeatureKernel",
    "FiniteNetwork",
    "Flatten",
    "GlobalAvgPool",
    "GlobalSelfAttention",
    "Hermite",
    "JacobianEngine",
    "LayerNorm",
    "Network",
    "PositionalEmbedding",
    "Residual",
    "Sum",
    "conv_net",
    "conv_vec",
    "empirical_ntk",
    "expansion",
    "fc_net",
    "features",
    "gram",
    "myrtle",
    "resnet",
    "tangent_features",
    "vit",
    "wide_resnet",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
