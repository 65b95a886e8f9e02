"""The engine of a kernel of features: images are encoded on the devices, and all the rest is products on the host.

Features of an image are d numbers however large it is, so that what is expensive of a target is done once, and the
regression can be solved by d x d systems; see `kerneldistill.algorithms.feature_fit`. Through the encoder images go in
groups, forward and backward, so that its activations take the memory of one group.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import NamedTuple

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from kerneldistill.kernels.batching import even_chunk, filled
from kerneldistill.kernels.blocks import halved
from kerneldistill.kernels.encoder_checks import Identity, identity_of
from kerneldistill.kernels.feature_kernel import FeatureKernel
from kerneldistill.kernels.image_checks import check_images

# Pixels that a device encodes at a time: 256 images of 32 x 32, 5 of 224 x 224. With 64 channels of float32 a layer
# of them takes 67 MB.
POINTS_AT_ONCE = 1 << 18
# Targets of a chunk whose features are at hand: in float64 with 1,000 classes 33 MB.
CHUNK = 4096


class Encoded(NamedTuple):
    """Images as features.

    values: [n, d] on the host, in the engine's precision; of parts of a gradient [1, n, d]
    """

    values: np.ndarray

    def __len__(self) -> int:  # images, not fields
        return self.values.shape[0]


@dataclass(frozen=True)
class FeatureEngine:
    """The `kerneldistill.kernels.engine.Engine` of a `FeatureKernel`.

    kernel: which
    image_shape: (h, w, c) of every image
    dtype: of images, features and kernels: float32 or float64
    devices: the mesh; all of this process by default
    """

    kernel: FeatureKernel
    image_shape: tuple[int, int, int]
    dtype: np.dtype
    devices: tuple[jax.Device, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", np.dtype(self.dtype))
        if not self.devices:
            object.__setattr__(self, "devices", tuple(jax.local_devices()))

    @cached_property
    def size(self) -> int:
        """d, the number of features."""
        return jax.eval_shape(self.kernel.phi, self._shape_of(2)).shape[1]

    @cached_property
    def identity(self) -> Identity:
        """What tells the encoder from others."""
        return identity_of(self.kernel.phi, self.image_shape, self.dtype)

    @property
    def group(self) -> int:
        """Images that all devices together encode at a time."""
        return len(self.devices) * max(1, POINTS_AT_ONCE // prod(self.image_shape[:2]))

    def chunk(self, targets: int, support: int) -> int:
        """See `Engine.chunk`: a group of the encoder's; the support costs little."""
        return even_chunk(targets, self.group, len(self.devices))

    def support_features(self, images: Array | np.ndarray) -> Encoded:
        """See `Engine.support_features`."""
        check_images(images, self.image_shape, self.dtype, "the support")
        return Encoded(self.encode(np.asarray(images)))

    def target_features(self, images: Array | np.ndarray) -> Encoded:
        """See `Engine.target_features`; nothing is padded, as products on the host need not be."""
        check_images(images, self.image_shape, self.dtype, "targets")
        return Encoded(self.encode(np.asarray(images)))

    def target_store(self, images: np.ndarray) -> "EncodedStore":
        """See `Engine.target_store`."""
        check_images(images, self.image_shape, self.dtype, "targets")
        return EncodedStore(self, images)

    def k_ts(self, support: Encoded, targets: Encoded) -> np.ndarray:
        """The kernel [t, s]."""
        return targets.values @ support.values.T + np.asarray(self.kernel.b_std**2, self.dtype)

    def k_ts_saving(self, support: Encoded, targets: Encoded) -> tuple[np.ndarray, None]:
        """See `Engine.k_ts_saving`: a product leaves nothing to keep."""
        return self.k_ts(support, targets), None

    def half_k_ss(self, support: Encoded, rows: np.ndarray) -> np.ndarray:
        """See `Engine.half_k_ss`: rows of one product, whose other half costs nothing worth sparing."""
        return halved(self.k_ts(support, Encoded(support.values[rows])), rows)

    def pullback(
        self,
        support: Encoded,
        targets: Encoded,
        cotangent: np.ndarray,
        onto: Encoded | None = None,
        saved: None = None,
    ) -> Encoded:
        """See `Engine.pullback`: one part, that of the host."""
        own = cotangent.T.astype(self.dtype) @ targets.values[: len(cotangent)]
        return Encoded(own[None] if onto is None else onto.values + own)

    def pullback_images(self, images: Array | np.ndarray, parts: Encoded) -> np.ndarray:
        """See `Engine.pullback_images`."""
        return self.encode_pullback(np.asarray(images), parts.values.sum(0))

    def encode(self, images: np.ndarray) -> np.ndarray:
        """phi of images [n, h, w, c] of any number: [n, d]."""
        found = [np.asarray(self._encode(own), self.dtype)[:count] for own, count in self._groups(images)]
        return np.concatenate(found) if found else np.zeros((0, self.size), self.dtype)

    def encode_pullback(self, images: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
        """The gradient of sum(cotangent [n, d] * phi(images)) by the images, each group's forward pass done again."""
        found = []
        for (own, count), (given, _) in zip(self._groups(images), self._groups(cotangent), strict=True):
            found.append(np.asarray(self._pullback(own, given))[:count])
        return np.concatenate(found) if found else np.zeros_like(images)

    def _groups(self, x: np.ndarray) -> Iterator[tuple[Array, int]]:
        """Parts of x [n, ...] on the devices, of one size, and how many of each are no padding."""
        size = self.chunk(len(x), 1) if len(x) else 1
        for start in range(0, len(x), size):
            own = np.asarray(x[start : start + size], self.dtype)
            yield jax.device_put(filled(own, size), self._sharded), len(own)

    @cached_property
    def _sharded(self) -> NamedSharding:
        return NamedSharding(Mesh(np.array(self.devices), ("target",)), P("target"))

    @cached_property
    def _encode(self):
        return self._jit(self.kernel.phi, 1)

    @cached_property
    def _pullback(self):
        def back(images: Array, cotangent: Array) -> Array:
            values, pull = jax.vjp(self.kernel.phi, images)
            return pull(cotangent.astype(values.dtype))[0]

        return self._jit(back, 2)

    def _jit(self, function: Callable[..., Array], arguments: int):
        mesh, each = self._sharded.mesh, P("target")
        return jax.jit(
            jax.shard_map(function, mesh=mesh, in_specs=(each,) * arguments, out_specs=each, check_vma=False)
        )

    def _shape_of(self, count: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((count, *self.image_shape), self.dtype)


class EncodedStore:
    """The `kerneldistill.kernels.engine.TargetStore` of features: all images are encoded when the first are taken.

    Args:
      engine: that encodes
      images: [n, h, w, c]
    """

    def __init__(self, engine: FeatureEngine, images: np.ndarray) -> None:
        self._engine, self._images = engine, images

    def take(self, indices: np.ndarray) -> Encoded:
        """See `TargetStore.take`."""
        return Encoded(self._values[indices])

    @cached_property
    def _values(self) -> np.ndarray:
        return self._engine.encode(self._images)
