"""Learned positions that are added to the channels of each pixel."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import Inputs, Layer, Pairs, Places, ScaledWeights, Shape
from kerneldistill.kernels.layers.weighted import Parameter
from kerneldistill.kernels.pair_matrix import band_of
from kerneldistill.kernels.passes import Passes


@dataclass(frozen=True)
class PositionalEmbedding(Layer):
    """Learned positions, drawn independently of all else and added to each pixel: x(p) -> x(p) + e(p).

    K[p, p'] <- K + W_std^2 R[p, p'] with R the correlation of positions p and p', and so Theta, in the standard
    parameterisation Theta + R: 1 for what is learned of each position, as for a bias.

    W_std: deviation of a position's channels
    decay: R = exp(-decay d^2) with d the distance of p and p' in pixels (Hron et al. 2020, 2006.10540, section 4.2);
      None: each position is drawn by itself, R = 1 where p = p'

    Raises:
      ValueError: for numbers that are not positive; when the network is made.
    """

    W_std: float = 1.0
    decay: float | None = None
    fan_in: int | None = None

    before_head: ClassVar[bool] = True
    takes_bands: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`."""
        if self.W_std <= 0 or (self.decay is not None and self.decay <= 0):
            raise ValueError(f"{self}: W_std must be > 0, and decay, where there is one")
        if inputs == "images":
            raise ValueError(f"{self} adds to the images themselves, which have few channels: put a Conv before it")
        return inputs

    def correlation(self, height: int, width: int) -> np.ndarray:
        """R of all pixels of height x width, row by row: [h w, h w]."""
        if self.decay is None:
            return np.eye(height * width)
        at = np.argwhere(np.ones((height, width)))
        return np.exp(-self.decay * np.square(at[:, None] - at).sum(-1))

    def own(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """What it adds to K and to Theta, [h w, h w] each."""
        found = self.correlation(height, width)
        return self.W_std**2 * found, found if self.fan_in is not None else self.W_std**2 * found

    def table(self, own: ScaledWeights) -> Array:
        """The positions [h, w, c] of a finite network."""
        height, width, channels = own.W.shape
        if self.decay is None:
            return own.forward * own.W
        values, vectors = np.linalg.eigh(self.correlation(height, width))
        root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        drawn = own.W.reshape(height * width, channels)
        return own.forward * (jnp.asarray(root, drawn.dtype) @ drawn).reshape(own.W.shape)

    @property
    def parameter(self) -> Parameter:
        """What is learned."""
        return Parameter(self.W_std, 0.0, self.fan_in)

    def leaves(self, path: str) -> Iterator[tuple[str, Layer]]:
        """See `Layer.leaves`."""
        yield path, self
        yield f"{path}.table", self.parameter

    def fan_ins(self, shape: Shape, width: int, path: str) -> dict[str, int]:
        """See `Layer.fan_ins`: a position is drawn as it is."""
        return {f"{path}.table": 1}

    def weight_shapes(self, shape: Shape, width: int, path: str) -> dict[str, tuple[int, ...]]:
        """See `Layer.weight_shapes`."""
        return {f"{path}.table": shape}

    def with_fan_ins(self, fan_ins: Mapping[str, int], path: str) -> "PositionalEmbedding":
        """See `Layer.with_fan_ins`."""
        return replace(self, fan_in=fan_ins[f"{path}.table"])

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        return x + self.table(weights[f"{path}.table"])[None]

    def cov(self, cov: Cov, pairs: Pairs, path: str) -> Cov:
        """See `Layer.cov`."""
        place = pairs.places(path)
        nngp, ntk = (
            band_of(place, jnp.asarray(own, cov.nngp.dtype)[..., None]) for own in self.own(place.height, place.width)
        )
        if not pairs.with_ntk:
            return replace(cov, nngp=cov.nngp + nngp)
        total = jnp.broadcast_to(ntk, cov.nngp.shape) if cov.ntk is None else cov.ntk + ntk
        return replace(cov, nngp=cov.nngp + nngp, ntk=total)

    def passes(self, before: Passes, with_ntk: bool, places: Places, path: str) -> Passes:
        """See `Layer.passes`."""
        return before.and_then(Passes(1 + (with_ntk and before.tangent), 0, with_ntk), places(path).points)
