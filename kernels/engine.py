"""The engine: kernel blocks over a mesh of devices, for a host loop that feeds it chunk after chunk of targets.

One mesh axis, `target`, shards the columns; the rows (the support) are on every device. One device is a mesh of one.

What moves between devices, in bytes of the arrays that are summed over them:
    features, blocks, pullbacks     0, however many chunks: each device adds up its own part of the gradient
    pull_back_rows                  s h w c itemsize, once a step: the gradient by the support's pixels
An all-reduce of n bytes sends 2 (d - 1) / d n from each of d devices. Ten images of 32 x 32 x 3 in float32 are 123 kB a
step, 500 are 6.1 MB. The pixels' gradient is summed rather than the features', which with the deviations of a ConvNet's
activations is 1.8 times as large; each device pulls its own part back to the pixels, which they would all do anyway.
"""

import math
from dataclasses import dataclass
from functools import cache, cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from kerneldistill.kernels.batching import filled, group_size
from kerneldistill.kernels.features import Features, features
from kerneldistill.kernels.gram import Get, block, block_saving, half_block, pullback
from kerneldistill.kernels.levels import points
from kerneldistill.kernels.networks import Network
from kerneldistill.kernels.tile import Saved
from kerneldistill.kernels.tile_memory import saved
from kerneldistill.kernels.validation import check_get, check_images

# What XLA's CPU compiler does by default with walks of bands, and what a 32 x 32 entry gains without it:
#   - its newer emitters fuse a chain into each of its consumers and recompute it there: forward 3.4 -> 1.1 ms a core;
#   - it hands sums to a library and writes out their six operands for it: gradient 6.2 -> 5.5 ms a core.
# Fully connected networks are matrix products, which that library does twice as fast: they keep the defaults.
_CPU_BAND_OPTIONS = {"xla_cpu_use_fusion_emitters": False, "xla_cpu_experimental_ynn_fusion_type": ""}

# Pixel pairs in a chunk: forward and backward about five seconds on two CPU cores, so that a host can stop in time.
CHUNK_POINTS = 1 << 30
# Bytes of its images: on their way to the devices they are held up to five times over, and where entries are cheap, as
# those of fully connected networks, the pixel pairs alone would allow gigabytes.
CHUNK_BYTES = 1 << 26
# Bytes of the bands that are kept of a block for its gradient; 50 rows and more of 32 x 32 come to hundreds of MB.
SAVED_BYTES = 1 << 29


@dataclass(frozen=True)
class Engine:
    """A network's kernel on a set of devices.

    network: the spec.
    get: "ntk" or "nngp".
    image_shape: (h, w, c) of every image.
    dtype: of the tiles, float32 or float64.
    devices: the mesh; all of this process by default.
    """

    network: Network
    get: Get
    image_shape: tuple[int, int, int]
    dtype: np.dtype
    devices: tuple[jax.Device, ...] = ()

    def __post_init__(self) -> None:
        check_get(self.get)
        object.__setattr__(self, "dtype", np.dtype(self.dtype))
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"kernels are computed in float32 or float64, not {self.dtype}")
        if not self.devices:
            object.__setattr__(self, "devices", tuple(jax.local_devices()))
        object.__setattr__(self, "network", self.network.sized(self.image_shape))

    def __reduce__(self) -> tuple:
        """Pickled without its devices and programs: there, the engine of that process's devices, one for all copies."""
        return _engine_here, (self.network, self.get, self.image_shape, self.dtype)

    def chunk(self, targets: int, rows: int) -> int:
        """The even size of chunks in which `targets` columns meet `rows` rows: what the host waits for at a time."""
        unit = len(self.devices) * self.group
        wanted = min(
            CHUNK_POINTS // (points(self.network, *self.image_shape) * rows),
            CHUNK_BYTES // (math.prod(self.image_shape) * self.dtype.itemsize),
            CHUNK_BYTES // (rows * 8),  # the block as the host holds it, in float64
        )
        each = -(-targets // -(-targets // max(wanted, unit)))
        step = unit if each > unit else len(self.devices)
        return -(-each // step) * step

    @cached_property
    def group(self) -> int:
        """Columns of one tile."""
        return group_size(self.network, self.image_shape, self.dtype)

    def rows(self, images: Array | np.ndarray) -> Features:
        """Features of the support [s, h, w, c], on every device.

        Raises:
          ValueError: the images are not of this engine's shape and dtype, or not finite.
        """
        check_images(images, self.image_shape, self.dtype, "the support")
        return self._rows(jax.device_put(images, self._everywhere))

    def pull_back_rows(self, images: Array | np.ndarray, parts: Features) -> Array:
        """The gradient by the support's pixels [s, h, w, c], from what `pullback` added up; the devices' sum."""
        return self._rows_pullback(jax.device_put(images, self._everywhere), parts)

    def columns(self, images: Array | np.ndarray) -> Features:
        """Features of images as columns, sharded by `target`; padded with copies to what the devices share evenly.

        Raises:
          ValueError: the images are not of this engine's shape and dtype, or not finite.
        """
        check_images(images, self.image_shape, self.dtype, "columns")
        even = len(images) + -len(images) % len(self.devices)
        return self._columns(jax.device_put(filled(np.asarray(images), even), self._sharded))

    def stds(self, images: np.ndarray, padded_to: int) -> tuple[np.ndarray, ...]:
        """Standard deviations of targets [t, h, w, c] on the host, to be kept and given to `place` with their images.

        padded_to: a size that repeats, so that one compiled program serves all blocks.
        """
        found = self.columns(filled(images, padded_to)).stds
        return tuple(np.asarray(std)[: len(images)] for std in found)

    def place(self, cols: Features) -> Features:
        """Puts columns that are on the host on the devices, sharded by `target`."""
        return jax.device_put(cols, self._sharded)

    def block(self, rows: Features, cols: Features) -> Array:
        """The kernel [s, t] of support and targets, sharded by `target`."""
        return self._block(rows, cols)

    def half_block(self, images: Features, rows: np.ndarray) -> Array:
        """The kernels [r, s // 2 + 1] of `rows` [r] of the support with the images after them (`kernels.gram`).

        rows: indices, as many as the devices share evenly.
        """
        return self._half_block(images, jax.device_put(rows, self._sharded))

    def block_saving(self, rows: Features, cols: Features) -> tuple[Array, Saved | None]:
        """The same, and what spares `pullback` a second forward pass: about 0.1 MB an entry at 32 x 32 in float32.

        Nothing is kept where that would be more than SAVED_BYTES: it is None.
        """
        if self.saved_bytes(len(rows), len(cols)):
            return self._block_saving(rows, cols)
        return self.block(rows, cols), None

    def saved_bytes(self, rows: int, cols: int) -> int:
        """Bytes on all devices that `block_saving` keeps of a block [rows, cols]."""
        found = rows * cols * saved(self.network, self.image_shape, self.get) * self.dtype.itemsize
        return found if found <= SAVED_BYTES else 0

    def pullback(
        self,
        rows: Features,
        cols: Features,
        cotangent: np.ndarray,
        onto: Features | None = None,
        saved: Saved | None = None,
    ) -> Features:
        """The gradient of sum(cotangent [s, t] * block) by the support's features, in parts: one of each device.

        Columns beyond t are padding and get no cotangent.

        onto: parts to add to, from pullbacks of the same rows; they are used up. None: nothing yet.
        saved: what `block_saving` gave for the same rows and columns; None: it is computed again.

        Returns arrays [devices, s, ...] sharded by `target`, for `pull_back_rows`.
        """
        padding = len(cols) - cotangent.shape[1]
        given = np.pad(cotangent, ((0, 0), (0, padding))).astype(self.dtype)
        onto = self._nothing(rows) if onto is None else onto
        placed = jax.device_put(given, NamedSharding(self._mesh, P(None, "target")))
        return self._pullback(rows, cols, placed, onto, saved)

    @cached_property
    def _mesh(self) -> Mesh:
        return Mesh(np.array(self.devices), ("target",))

    @cached_property
    def _everywhere(self) -> NamedSharding:
        return NamedSharding(self._mesh, P())

    @cached_property
    def _sharded(self) -> NamedSharding:
        return NamedSharding(self._mesh, P("target"))

    def _nothing(self, rows: Features) -> Features:
        """Parts of a gradient that is zero."""
        shape = (len(self.devices),)
        return jax.tree.map(lambda row: jnp.zeros(shape + row.shape, row.dtype, device=self._sharded), rows)

    def _jit(self, function, in_specs, out_specs, donate_argnums=()):
        bands_on_cpu = self.devices[0].platform == "cpu" and not self.network.fully_connected
        options = _CPU_BAND_OPTIONS if bands_on_cpu else None
        sharded = jax.shard_map(function, mesh=self._mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
        return jax.jit(sharded, donate_argnums=donate_argnums, compiler_options=options)

    @cached_property
    def _rows(self):
        return self._jit(partial(features, self.network), P(), P())

    @cached_property
    def _rows_pullback(self):
        def summed(images, parts):
            own = jax.tree.map(lambda part: part[0], parts)
            return jax.lax.psum(jax.vjp(partial(features, self.network), images)[1](own)[0], "target")

        return self._jit(summed, (P(), P("target")), P())

    @cached_property
    def _columns(self):
        return self._jit(partial(features, self.network), P("target"), P("target"))

    @cached_property
    def _block(self):
        return self._jit(partial(block, self.network, self.get), (P(), P("target")), P(None, "target"))

    @cached_property
    def _half_block(self):
        return self._jit(partial(half_block, self.network, self.get), (P(), P("target")), P("target"))

    @cached_property
    def _block_saving(self):
        both = partial(block_saving, self.network, self.get)
        return self._jit(both, (P(), P("target")), (P(None, "target"), P("target")))

    @cached_property
    def _pullback(self):
        def added(rows, cols, cotangent, onto, saved):
            found = pullback(self.network, self.get, rows, cols, cotangent, saved)
            return jax.tree.map(lambda part, own: part + own[None], onto, found)

        given = (P(), P("target"), P(None, "target"), P("target"), P("target"))
        return self._jit(added, given, P("target"), donate_argnums=3)


@cache
def _engine_here(network: Network, get: Get, image_shape: tuple[int, int, int], dtype: np.dtype) -> Engine:
    return Engine(network, get, image_shape, dtype)
