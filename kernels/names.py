"""The names by which users call kernels, activations and networks; free of jax, for configurations to use."""

from typing import Literal, get_args

# ntk: training by gradient descent. nngp: a Bayesian network, or training of the last layer alone.
KernelKind = Literal["ntk", "nngp"]
Parameterization = Literal["ntk", "standard"]
# Each is a row of `kerneldistill.kernels.activations.ACTIVATIONS`.
ActivationName = Literal[
    "relu", "leaky_relu", "abs", "sign", "square", "cube", "erf", "gelu", "identity", "sin", "softplus", "tanh"
]
# Each is a row of `kerneldistill.kernels.architectures.ARCHITECTURES`.
NetworkName = Literal["fc", "conv_net", "conv_vec", "myrtle", "wide_resnet", "resnet", "vit"]

# Activations without a closed form, which are expanded in Hermite polynomials.
EXPANDED = ("sin", "softplus", "tanh")
# Depths of which there is a network.
MYRTLE_DEPTHS = (5, 7, 10)
RESNET_DEPTHS = (10, 18, 34)

# 16 x 16 patches, of which an NTK takes 134 million operations an entry and layer, as six of KIP's ConvNet.
MOST_TOKENS = 256

KERNEL_KINDS: tuple[str, ...] = get_args(KernelKind)
ACTIVATION_NAMES: tuple[str, ...] = get_args(ActivationName)
NETWORK_NAMES: tuple[str, ...] = get_args(NetworkName)
