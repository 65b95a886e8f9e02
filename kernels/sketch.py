"""Features whose products approach the kernel of a fully connected network, for regressions too large for the kernel.

A kernel of n images is n^2 entries; `size` numbers an image make it a linear regression (Han et al. 2022, "Fast neural
kernel embeddings for general activations", 2209.04121, section 4; Zandieh et al. 2021, 2106.07880). With features f of
the covariance before an activation, u = f / s its direction and s = |f| its deviation, the truncated Hermite expansion
(`activations.hermite`) is a sum over degrees,
    sum_n a_n(s) a_n(s') rho^n = < sum_n a_n(s) S_n(u), sum_n a_n(s') S_n(u') >    in the mean,
with S_n a sketch of the n-fold tensor product: S_n = ifft(fft(S_(n-1)) * fft(C_n u)) with a CountSketch C_n of its own
(TensorSketch: Pham & Pagh 2013). Every C_n has signs of its own, so that products of different degrees are 0 in the
mean and all degrees share one vector. The tangent kernel's features are a sketch of the tensor product of those before
the activation with those of its slope, beside the covariance's.

What remains is noise, about 1 / sqrt(size) of the norms, and the truncation at `degree`, of which the expansion's tail
is kept for equal images.
"""

from dataclasses import dataclass
from math import sqrt

import jax
import jax.numpy as jnp
from jax import Array

from kerneldistill.kernels.activations import dual_of
from kerneldistill.kernels.activations.hermite import Hermite
from kerneldistill.kernels.layers import Activation, Dense, Flatten
from kerneldistill.kernels.names import KernelKind
from kerneldistill.kernels.network import Network


@dataclass(frozen=True)
class FcSketch:
    """Random features of the kernel of a fully connected network; call it with images.

    network: of Flatten, Dense and Activation layers alone, in the NTK parameterisation
    kind: ntk or nngp
    size: numbers of each sketch; an image has that many, and of an ntk twice as many and one
    degree: of each activation's Hermite expansion, unless the activation is a `Hermite` itself
    seed: of the hashes and signs; the same seed gives the same features

    Example:
      phi = FcSketch(fc_net(2), size=4096)
      features = phi(images)          # [n, d]; features @ features.T is near gram(fc_net(2), images, images)

    Raises:
      ValueError: another layer, another parameterisation, or a size or degree below 1.
    """

    network: Network
    kind: KernelKind = "ntk"
    size: int = 4096
    degree: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        other = [layer for layer in self.network.layers if not isinstance(layer, Flatten | Dense | Activation)]
        if other or not self.network.fully_connected:
            found = other[0] if other else self.network.layers[0]
            raise ValueError(f"a sketch is of Flatten, Dense and Activation layers; got {found}: use fc_net")
        if self.network.parameterization != "ntk":
            raise ValueError("a sketch is of the NTK parameterisation; leave out Network.standard")
        if self.size < 1 or self.degree < 1:
            raise ValueError(f"size and degree must be >= 1; got {self.size} and {self.degree}")

    def __call__(self, images: Array) -> Array:
        """Compute the features [n, d] of images [n, h, w, c] in their dtype; differentiable, for `jax.jit`."""
        nngp, ntk = images.reshape(len(images), -1) / sqrt(images[0].size), None
        keys = jax.random.split(jax.random.key(self.seed), len(self.network.layers))
        for key, layer in zip(keys, self.network.layers, strict=True):
            if isinstance(layer, Dense):
                nngp, ntk = self._dense(layer, nngp, ntk)
            elif isinstance(layer, Activation):
                own = layer.function
                series = own if isinstance(own, Hermite) else Hermite(dual_of(own).apply, self.degree)
                nngp, ntk = self._activation(series, key, nngp, ntk)
        return nngp if ntk is None else ntk

    def _dense(self, layer: Dense, nngp: Array, ntk: Array | None) -> tuple[Array, Array | None]:
        """Add the biases; the tangent kernel is the covariance and W_std^2 times what it was."""
        bias = jnp.full((len(nngp), 1), layer.b_std, nngp.dtype)
        after = jnp.concatenate([layer.W_std * nngp, bias], axis=1)
        if self.kind == "nngp":
            return after, None
        return after, after if ntk is None else jnp.concatenate([after, layer.W_std * ntk], axis=1)

    def _activation(self, series: Hermite, key: Array, nngp: Array, ntk: Array | None) -> tuple[Array, Array | None]:
        std = jnp.sqrt(jnp.sum(nngp * nngp, axis=1))
        inverse, *own = series.factors(std)
        values, tails, slope_tails = own[: series.degree + 1], own[series.degree + 1 : -2], own[-2:]
        slopes = [sqrt(n) * inverse * values[n] for n in range(1, series.degree + 1)]
        powers = self._powers(key, inverse[:, None] * nngp, series.degree + 2)
        after = _combined([*values, *tails], powers)
        if ntk is None:
            return after, None
        slope = _combined([*slopes, *slope_tails], powers[: series.degree + 2])
        first, second = jax.random.split(jax.random.fold_in(key, 0))
        return after, self._convolved(self._counted(first, ntk), self._counted(second, slope))

    def _powers(self, key: Array, u: Array, degree: int) -> list[Array]:
        """Sketches of the tensor powers 0 .. degree of unit vectors u [n, d], [n, size] each."""
        keys = jax.random.split(jax.random.fold_in(key, 1), degree + 1)
        constant = jax.random.rademacher(keys[0], (self.size,), u.dtype) / sqrt(self.size)
        found = [jnp.broadcast_to(constant, (len(u), self.size))]
        for n in range(1, degree + 1):
            counted = self._counted(keys[n], u)
            found.append(counted if n == 1 else self._convolved(found[-1], counted))
        return found

    def _counted(self, key: Array, x: Array) -> Array:
        """CountSketch: every column of x [n, d] goes to one of `size`, by a random hash, with a random sign."""
        to, signs = jax.random.split(key)
        buckets = jax.random.randint(to, (x.shape[1],), 0, self.size)
        signed = x * jax.random.rademacher(signs, (1, x.shape[1]), x.dtype)
        return jax.ops.segment_sum(signed.T, buckets, self.size).T

    def _convolved(self, a: Array, b: Array) -> Array:
        """The sketch of the tensor product of what a and b [n, size] are sketches of."""
        product = jnp.fft.rfft(a, axis=1) * jnp.fft.rfft(b, axis=1)
        return jnp.fft.irfft(product, self.size, axis=1).astype(a.dtype)


def _combined(coefficients: list[Array], powers: list[Array]) -> Array:
    return sum(
        (a[:, None] * power for a, power in zip(coefficients, powers, strict=False)),
        start=jnp.zeros_like(powers[0]),
    )
