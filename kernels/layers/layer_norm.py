"""Layer normalisation."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.kernels.activations.dual import Factors
from kerneldistill.kernels.layers.layer import Inputs, ScaledWeights
from kerneldistill.kernels.layers.pointwise import Pointwise


@dataclass(frozen=True)
class LayerNorm(Pointwise):
    """Layer normalisation without learned scale and shift: (x - mean) / sqrt(variance + eps).

    Means are over the channels of each pixel, or of all pixels of the image. With v the variance of a pixel, or the
    mean of those of all pixels, K <- K / sqrt((v + eps)(v' + eps)) and Theta alike (neural-tangents' `LayerNorm`).

    whole: whether the pixels of an image are normalised together
    eps: added to variances; flax's, where `stax` has 1e-12

    Raises:
      ValueError: for eps <= 0; when the network is made.
    """

    whole: bool = False
    eps: float = 1e-6

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`: Gaussian inputs stay Gaussian, divided by what is constant in the limit."""
        if self.eps <= 0:
            raise ValueError(f"{self}: eps must be > 0")
        super().check(inputs)
        return "gaussian"

    def deviations(self, variances: Array) -> Array:
        """See `Pointwise.deviations`."""
        if self.whole:
            variances = jnp.broadcast_to(jnp.mean(variances, axis=(0, 1), keepdims=True), variances.shape)
        return super().deviations(variances)

    def factors(self, std: Array) -> Factors:
        """See `Dual.factors`."""
        return (lax.rsqrt(std * std + self.eps),)

    def dual(self, nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
        """See `Dual.dual`."""
        scale = row[0] * col[0]
        return scale * nngp, None if ntk is None else scale * ntk

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        axes = tuple(range(1, x.ndim)) if self.whole else (x.ndim - 1,)
        centred = x - jnp.mean(x, axis=axes, keepdims=True)
        return centred * lax.rsqrt(jnp.mean(centred * centred, axis=axes, keepdims=True) + self.eps)
