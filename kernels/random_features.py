"""Random features: the NNGP estimated by finite networks, at a cost linear in the images (RFAD, 2210.12067).

    K(x, x') = W_std^2 E[phi(x) . phi(x')] / F + b_std^2
             ~ sum over N networks of v(x) . v(x') + b_std^2,    v = W_std / sqrt(F N) phi(x)
with phi(x) the F inputs of the last layer. The mean over networks is exact as F or N grow: the error falls as
1 / sqrt(width N). There is no NTK of this kind: its features are as many as weights, and a product of them costs more
than the exact kernel's entry.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from kerneldistill.kernels.batching import even_chunk, filled
from kerneldistill.kernels.blocks import halved
from kerneldistill.kernels.finite_width import FiniteNetwork, Params
from kerneldistill.kernels.image_checks import check_images
from kerneldistill.kernels.network import Network

# Multiplications in a chunk: a few seconds on two CPU cores, so that a host can stop in time.
CHUNK_PRODUCTS = 1 << 37


class Embedded(NamedTuple):
    """Images as random features.

    values: [n, d] whose products are the kernel, but for the last bias
    """

    values: Array

    def __len__(self) -> int:  # images, not fields
        return self.values.shape[0]


@dataclass(frozen=True)
class FeatureMap:
    """The programs of random features, compiled once for all draws.

    network: the spec
    image_shape: (h, w, c) of every image
    dtype: of features and weights, float32 or float64
    networks: N
    width: channels of their hidden layers
    devices: the mesh; all of this process by default
    """

    network: Network
    image_shape: tuple[int, int, int]
    dtype: np.dtype
    networks: int
    width: int
    devices: tuple[jax.Device, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", np.dtype(self.dtype))
        if not self.devices:
            object.__setattr__(self, "devices", tuple(jax.local_devices()))

    def draw(self, seed: int) -> "RandomFeatures":
        """Draw the networks by `seed`, a whole number below 2^63."""
        return RandomFeatures(self, seed, self._init(jax.random.key(seed)))

    @cached_property
    def finite(self) -> FiniteNetwork:
        """One of the networks."""
        return FiniteNetwork(self.network, self.image_shape, self.width, dtype=self.dtype)

    @cached_property
    def group(self) -> int:
        """Images that all devices together embed at a time."""
        pixels = 1 if self.network.fully_connected else prod(self.image_shape[:2])
        *hidden, _ = self.network.fan_ins(self.image_shape, self.width).values()
        each = CHUNK_PRODUCTS // (self.networks * self.width * sum(hidden) * pixels)
        return len(self.devices) * max(1, each // len(self.devices))

    def chunk(self, images: int) -> int:
        """The even size of chunks in which so many images are embedded."""
        return even_chunk(images, self.group, len(self.devices))

    @cached_property
    def everywhere(self) -> NamedSharding:
        """On every device."""
        return NamedSharding(self._mesh, P())

    @cached_property
    def sharded(self) -> NamedSharding:
        """Images divided among the devices."""
        return NamedSharding(self._mesh, P("target"))

    @cached_property
    def _mesh(self) -> Mesh:
        return Mesh(np.array(self.devices), ("target",))

    @cached_property
    def _init(self):
        keys = lambda key: jax.random.split(key, self.networks)  # noqa: E731
        return jax.jit(lambda key: jax.vmap(self.finite.init)(keys(key)), out_shardings=self.everywhere)

    def _values(self, params: Params, images: Array) -> Array:
        """Compute v of each image [n, h, w, c]: [n, d]. One network at a time; the backward pass computes it again."""
        of_one = jax.checkpoint(lambda own: self.finite.embed(own, images))
        phi = lax.map(of_one, params)
        count, n, size = phi.shape
        scale = self.network.readout.W_std / np.sqrt(count * size)
        return scale.astype(self.dtype) * jnp.moveaxis(phi, 0, 1).reshape(n, count * size)

    def _jit(self, function: Callable[..., Any], in_specs: Any, out_specs: Any, donate: int | None = None) -> Any:
        sharded = jax.shard_map(function, mesh=self._mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
        return jax.jit(sharded, donate_argnums=donate)

    @cached_property
    def embed(self):
        """Of parameters and images divided among the devices."""
        return self._jit(self._values, (P(), P("target")), P("target"))

    @cached_property
    def embed_pullback(self):
        """Of parameters, images and a cotangent of their values: the gradient by the images."""

        def back(params: Params, images: Array, cotangent: Array) -> Array:
            return jax.vjp(partial(self._values, params), images)[1](cotangent)[0]

        return self._jit(back, (P(), P("target"), P("target")), P("target"))

    @cached_property
    def gathered(self):
        """Copy an array to every device."""
        return jax.jit(lambda x: x, out_shardings=self.everywhere)

    @cached_property
    def k_ts(self):
        """Of the support everywhere and targets divided among the devices."""
        bias = self.network.readout.b_std**2

        def of(support: Array, targets: Array) -> Array:
            return jnp.matmul(targets, support.T, precision=lax.Precision.HIGHEST) + bias

        return self._jit(of, (P(), P("target")), P("target"))

    @cached_property
    def pullback(self):
        """Adds cotangent [t, s] transposed times targets to each device's part of the gradient by the support."""

        def added(targets: Array, cotangent: Array, onto: Array) -> Array:
            return onto + jnp.matmul(cotangent.T, targets, precision=lax.Precision.HIGHEST)[None]

        return self._jit(added, (P("target"), P("target"), P("target")), P("target"), donate=2)


@dataclass(frozen=True, eq=False)
class RandomFeatures:
    """The `kerneldistill.kernels.engine.Engine` of an estimate of the NNGP.

    map: the programs
    seed: by which they were drawn
    params: of the N networks, stacked
    """

    map: FeatureMap
    seed: int
    params: Params

    @property
    def dtype(self) -> np.dtype:
        """Of features and weights."""
        return self.map.dtype

    @property
    def network(self) -> Network:
        """The spec."""
        return self.map.network

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(h, w, c) of every image."""
        return self.map.image_shape

    @property
    def devices(self) -> tuple[jax.Device, ...]:
        """The mesh."""
        return self.map.devices

    def chunk(self, targets: int, support: int) -> int:
        """See `Engine.chunk`; the support costs little."""
        return self.map.chunk(targets)

    def support_features(self, images: Array | np.ndarray) -> Embedded:
        """See `Engine.support_features`."""
        check_images(images, self.image_shape, self.dtype, "the support")
        return Embedded(self.map.gathered(self.embed(np.asarray(images)).values)[: len(images)])

    def target_features(self, images: Array | np.ndarray) -> Embedded:
        """See `Engine.target_features`."""
        check_images(images, self.image_shape, self.dtype, "targets")
        return self.embed(np.asarray(images))

    def target_store(self, images: np.ndarray) -> "EmbeddingStore":
        """See `Engine.target_store`."""
        check_images(images, self.image_shape, self.dtype, "targets")
        return EmbeddingStore(self, images)

    def k_ts(self, support: Embedded, targets: Embedded) -> Array:
        """The estimate of the kernel [t, s], sharded by its targets."""
        return self.map.k_ts(support.values, targets.values)

    def k_ts_saving(self, support: Embedded, targets: Embedded) -> tuple[Array, None]:
        """See `Engine.k_ts_saving`: a product of values leaves nothing to keep."""
        return self.k_ts(support, targets), None

    def half_k_ss(self, support: Embedded, rows: np.ndarray) -> np.ndarray:
        """See `Engine.half_k_ss`: rows of one product, whose other half costs nothing worth sparing."""
        count = len(support)
        even = filled(np.asarray(support.values), count + -count % len(self.devices))
        kernel = np.asarray(self.map.k_ts(support.values, jax.device_put(even, self.map.sharded)))[:count]
        return halved(kernel[rows], rows)

    def pullback(
        self,
        support: Embedded,
        targets: Embedded,
        cotangent: np.ndarray,
        onto: Embedded | None = None,
        saved: None = None,
    ) -> Embedded:
        """See `Engine.pullback`."""
        if onto is None:
            shape = (len(self.devices), *support.values.shape)
            onto = Embedded(jnp.zeros(shape, self.dtype, device=self.map.sharded))
        given = np.pad(cotangent, ((0, len(targets) - len(cotangent)), (0, 0))).astype(self.dtype)
        return Embedded(self.map.pullback(targets.values, jax.device_put(given, self.map.sharded), onto.values))

    def pullback_images(self, images: Array | np.ndarray, parts: Embedded) -> np.ndarray:
        """See `Engine.pullback_images`."""
        total = np.asarray(self.map.gathered(jnp.sum(parts.values, axis=0)))
        images, found = np.asarray(images), []
        size = self.chunk(len(images), 1)
        for start in range(0, len(images), size):
            own, given = images[start : start + size], total[start : start + size]
            padded = np.pad(given, ((0, size - len(given)), (0, 0)))
            placed = (jax.device_put(x, self.map.sharded) for x in (filled(own, size), padded))
            found.append(np.asarray(self.map.gathered(self.map.embed_pullback(self.params, *placed)))[: len(own)])
        return np.concatenate(found)

    def embed(self, images: np.ndarray) -> Embedded:
        """Embed images in equal parts, divided among the devices and padded to what they share evenly."""
        size = self.chunk(len(images), 1)
        whole = filled(images, -(-len(images) // size) * size)
        parts = [
            self.map.embed(self.params, jax.device_put(whole[start : start + size], self.map.sharded))
            for start in range(0, len(whole), size)
        ]
        values = parts[0] if len(parts) == 1 else jax.device_put(jnp.concatenate(parts), self.map.sharded)
        return Embedded(values)


class EmbeddingStore(NamedTuple):
    """The `kerneldistill.kernels.engine.TargetStore` of random features: images are embedded each time they are taken.

    Values of a whole split would take [n, d] on the host, and most engines live for one step.
    """

    engine: RandomFeatures
    images: np.ndarray

    def take(self, indices: np.ndarray) -> Embedded:
        """See `TargetStore.take`."""
        return self.engine.embed(self.images[indices])
