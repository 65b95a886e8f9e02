"""The exact engine: a network's NTK or NNGP over a mesh of devices. One device is a mesh of one.

What moves between devices, in bytes of the arrays that are summed over them:
    features, blocks, pullbacks     0, however many chunks: each device adds up its own part of the gradient
    pullback_images                 s h w c itemsize, once a step: the gradient by the support's pixels
    half_k_ss                       0; where the support is dealt too, its features once a block
An all-reduce of n bytes sends 2 (d - 1) / d n from each of d devices. Ten images of 32 x 32 x 3 in float32 are 123 kB a
step, 500 are 6.1 MB. The pixels' gradient is summed rather than the features', which with the deviations of a ConvNet's
activations is 1.8 times as large; each device pulls its own part back to the pixels, which they would all do anyway.

A support of thousands can be dealt to devices too (`support_shards`): the mesh is then support x target. A device has
its rows' features, bands and gradients alone, gets as many times more targets, which fill its lanes, and sums the
gradient by its own rows' pixels with the devices that have them: 5,000 images by 8 x 8 devices are 7.7 MB each, not 61.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from kerneldistill.kernels.batching import Tiling, filled, tiling
from kerneldistill.kernels.blocks import block, block_saving, half_block, pullback
from kerneldistill.kernels.compiler_options import as_it_is, band_options, one_routine
from kerneldistill.kernels.device_kinds import DeviceKind, kind_of
from kerneldistill.kernels.image_checks import check_images, check_kind
from kerneldistill.kernels.image_features import Features, features
from kerneldistill.kernels.jacobian import block_jacobian
from kerneldistill.kernels.levels import points
from kerneldistill.kernels.names import KernelKind
from kerneldistill.kernels.network import Network
from kerneldistill.kernels.tile import Saved
from kerneldistill.kernels.tile_memory import saved

# Bytes of a chunk's images: on their way to the devices they are held up to five times over, and where entries are
# cheap, as those of fully connected networks, the pixel pairs alone would allow gigabytes.
CHUNK_BYTES = 1 << 26
# How images and entries are dealt: what belongs to the support, to targets, to both [t, s], and the rows of K_ss.
ROWS, COLUMNS, BLOCK, EVERY = P("support"), P("target"), P("target", "support"), P(("support", "target"))


@dataclass(frozen=True)
class ExactEngine:
    """The `kerneldistill.kernels.engine.JacobianEngine` of a network's exact kernel.

    network: the spec.
    kind: "ntk" or "nngp".
    image_shape: (h, w, c) of every image.
    dtype: of the tiles, float32 or float64.
    devices: the mesh; all of this process by default.
    support_shards: into how many parts the support is dealt; the devices and the support's images must share evenly
    """

    network: Network
    kind: KernelKind
    image_shape: tuple[int, int, int]
    dtype: np.dtype
    devices: tuple[jax.Device, ...] = ()
    support_shards: int = 1

    def __post_init__(self) -> None:
        check_kind(self.kind)
        object.__setattr__(self, "dtype", np.dtype(self.dtype))
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"kernels are computed in float32 or float64, not {self.dtype}")
        if not self.devices:
            object.__setattr__(self, "devices", tuple(jax.local_devices()))
        if self.support_shards < 1 or len(self.devices) % self.support_shards:
            raise ValueError(f"support_shards must divide {len(self.devices)} devices; got {self.support_shards}")
        object.__setattr__(self, "network", self.network.sized(self.image_shape))

    @cached_property
    def group(self) -> int:
        """Targets of one tile."""
        return self.tiling.group

    @property
    def device(self) -> DeviceKind:
        """What its devices allow."""
        return kind_of(self.devices[0])

    @cached_property
    def tiling(self) -> Tiling:
        """How its programs are cut, and how tiles are compiled in those that `_jit` makes."""
        compiled = as_it_is if self.network.fully_connected else one_routine(self.device.platform)
        return tiling(self.network, self.image_shape, self.dtype, self.device, compiled)

    def chunk(self, targets: int, support: int) -> int:
        """See `Engine.chunk`."""
        return self._even(targets, self._most(support))

    def jacobian_chunk(self, targets: int, support: int) -> int:
        """See `JacobianEngine.jacobian_chunk`."""
        entry = math.prod(self.image_shape) * self.dtype.itemsize
        return self._even(
            targets, min(self._most(support), self._budget(self.device.jacobian_bytes) // (support * entry))
        )

    @property
    def target_shards(self) -> int:
        """Into how many parts targets are dealt."""
        return len(self.devices) // self.support_shards

    @property
    def points_at_once(self) -> int:
        """Pixel pairs that a host waits for at a time."""
        return self._budget(self.device.chunk_points)

    def _budget(self, each: int) -> int:
        return self.device.of_all(each, len(self.devices))

    def _most(self, support: int) -> int:
        """How many targets a host waits for at most."""
        return min(
            self.points_at_once // (points(self.network, *self.image_shape) * support),
            CHUNK_BYTES // (math.prod(self.image_shape) * self.dtype.itemsize),
            CHUNK_BYTES // (support * 8),  # the block as the host holds it, in float64
        )

    def _even(self, targets: int, wanted: int) -> int:
        """Divide targets evenly into chunks of about `wanted`, and not fewer than fill a tile of each device."""
        unit = self.target_shards * self.group
        each = -(-targets // -(-targets // max(wanted, unit)))
        step = unit if each > unit else self.target_shards
        return -(-each // step) * step

    def support_features(self, images: Array | np.ndarray) -> Features:
        """See `Engine.support_features`."""
        check_images(images, self.image_shape, self.dtype, "the support")
        if len(images) % self.support_shards:
            raise ValueError(f"a support of {len(images)} images is not shared evenly by {self.support_shards} shards")
        return self._support_features(jax.device_put(images, self._dealt))

    def target_features(self, images: Array | np.ndarray) -> Features:
        """See `Engine.target_features`."""
        check_images(images, self.image_shape, self.dtype, "targets")
        even = len(images) + -len(images) % self.target_shards
        return self._target_features(jax.device_put(filled(np.asarray(images), even), self._sharded))

    def target_store(self, images: np.ndarray) -> "ExactStore":
        """See `Engine.target_store`: it keeps the standard deviations on the host."""
        check_images(images, self.image_shape, self.dtype, "targets")
        return ExactStore(self, images)

    def place(self, images: np.ndarray, stds: dict[str, np.ndarray]) -> Features:
        """Put features that are on the host on the devices, sharded."""
        return Features(*jax.device_put((images, stds), self._sharded))

    def k_ts(self, support: Features, targets: Features) -> Array:
        """See `Engine.k_ts`."""
        return self._k_ts(support, targets)

    def k_ts_saving(self, support: Features, targets: Features) -> tuple[Array, Saved | None]:
        """See `Engine.k_ts_saving`: it keeps the bands, about 0.1 MB an entry at 32 x 32 in float32.

        It keeps nothing where that would be more than `DeviceKind.saved_bytes`.
        """
        if self.saved_bytes(len(support), len(targets)):
            return self._k_ts_saving(support, targets)
        return self.k_ts(support, targets), None

    def saved_bytes(self, support: int, targets: int) -> int:
        """Count the bytes on all devices that `k_ts_saving` keeps of a block [targets, support]."""
        found = support * targets * saved(self.network, self.image_shape, self.kind) * self.dtype.itemsize
        return found if found <= self._budget(self.device.saved_bytes) else 0

    def half_k_ss(self, support: Features, rows: np.ndarray) -> Array:
        """See `Engine.half_k_ss`."""
        even = filled(np.asarray(rows), len(rows) + -len(rows) % len(self.devices))
        found = self._half_k_ss(support, jax.device_put(even, NamedSharding(self._mesh, EVERY)))
        return found if len(even) == len(rows) else found[: len(rows)]

    def pullback(
        self,
        support: Features,
        targets: Features,
        cotangent: np.ndarray,
        onto: Features | None = None,
        saved: Saved | None = None,
    ) -> Features:
        """See `Engine.pullback`."""
        padding = len(targets) - len(cotangent)
        given = np.pad(cotangent, ((0, padding), (0, 0))).astype(self.dtype)
        onto = self._nothing(support) if onto is None else onto
        return self._pullback(support, targets, jax.device_put(given, NamedSharding(self._mesh, BLOCK)), onto, saved)

    def k_ts_and_jacobian(self, support: Features, targets: Features) -> tuple[Array, Array]:
        """See `JacobianEngine.k_ts_and_jacobian`."""
        return self._k_ts_and_jacobian(support, targets)

    def pullback_images(self, images: Array | np.ndarray, parts: Features) -> Array:
        """See `Engine.pullback_images`."""
        return self._pullback_images(jax.device_put(images, self._dealt), parts)

    @cached_property
    def _mesh(self) -> Mesh:
        return Mesh(np.array(self.devices).reshape(self.support_shards, -1), ("support", "target"))

    @cached_property
    def _dealt(self) -> NamedSharding:
        return NamedSharding(self._mesh, ROWS)

    @cached_property
    def _sharded(self) -> NamedSharding:
        return NamedSharding(self._mesh, COLUMNS)

    def _nothing(self, support: Features) -> Features:
        """Make the parts of a gradient that is zero."""
        shape, where = (self.target_shards,), NamedSharding(self._mesh, BLOCK)
        return jax.tree.map(lambda x: jnp.zeros(shape + x.shape, x.dtype, device=where), support)

    def _jit(self, function: Callable[..., Any], in_specs: Any, out_specs: Any, donate: int | None = None) -> Any:
        options = None if self.network.fully_connected else band_options(self.device.platform)
        sharded = jax.shard_map(function, mesh=self._mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
        return jax.jit(sharded, donate_argnums=donate, compiler_options=options)

    @cached_property
    def _support_features(self):
        return self._jit(partial(features, self.network, group=self.group), ROWS, ROWS)

    @cached_property
    def _target_features(self):
        return self._jit(partial(features, self.network, group=self.group), COLUMNS, COLUMNS)

    @cached_property
    def _k_ts(self):
        return self._jit(partial(block, self.network, self.kind, tiling=self.tiling), (ROWS, COLUMNS), BLOCK)

    @cached_property
    def _k_ts_saving(self):
        both = partial(block_saving, self.network, self.kind, tiling=self.tiling)
        return self._jit(both, (ROWS, COLUMNS), (BLOCK, BLOCK))

    @cached_property
    def _half_k_ss(self):
        half = partial(half_block, self.network, self.kind, tiling=self.tiling)
        return self._jit(half, (P(), EVERY), EVERY)

    @cached_property
    def _pullback(self):
        def added(
            support: Features, targets: Features, cotangent: Array, onto: Features, saved: Saved | None
        ) -> Features:
            found = pullback(self.network, self.kind, support, targets, cotangent, saved, self.tiling)
            return jax.tree.map(lambda part, own: part + own[None], onto, found)

        return self._jit(added, (ROWS, COLUMNS, *[BLOCK] * 3), BLOCK, donate=3)

    @cached_property
    def _k_ts_and_jacobian(self):
        both = partial(block_jacobian, self.network, self.kind, tiling=self.tiling)
        return self._jit(both, (ROWS, COLUMNS), (BLOCK, BLOCK))

    @cached_property
    def _pullback_images(self):
        def summed(images: Array, parts: Features) -> Array:
            own = jax.tree.map(lambda part: part[0], parts)
            return jax.lax.psum(jax.vjp(partial(features, self.network, group=self.group), images)[1](own)[0], "target")

        return self._jit(summed, (ROWS, BLOCK), ROWS)


@dataclass(frozen=True, eq=False)
class ExactStore:
    """The `kerneldistill.kernels.engine.TargetStore` of an exact engine.

    engine: computes the deviations
    images: [n, h, w, c]
    """

    engine: ExactEngine
    images: np.ndarray

    def take(self, indices: np.ndarray) -> Features:
        """See `TargetStore.take`."""
        return self.engine.place(self.images[indices], {path: std[indices] for path, std in self.stds.items()})

    @cached_property
    def stds(self) -> dict[str, np.ndarray]:
        """Standard deviations of every image, computed on first use, in blocks of equal size: one compiled program."""
        count = len(self.images)
        kept: dict[str, np.ndarray] = {}
        size = self.engine.chunk(count, 1)
        for start in range(0, count, size):
            found = self.engine.target_features(filled(self.images[start : start + size], size)).stds
            # Filled in place: all blocks beside their concatenation would be twice the memory.
            kept = kept or {path: np.empty((count, *std.shape[1:]), std.dtype) for path, std in found.items()}
            for path, std in found.items():
                kept[path][start : start + size] = np.asarray(std)[: count - start]
        return kept
