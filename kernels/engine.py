"""The interface of an engine: kernel blocks over a mesh of devices, for a host loop that feeds it chunks of targets.

`kerneldistill.kernels.exact_engine.ExactEngine` computes the NTK or NNGP of a network,
`kerneldistill.kernels.random_features.RandomFeatures` estimates the NNGP, and
`kerneldistill.kernels.feature_engine.FeatureEngine` multiplies features of a user's encoder. Whoever uses a kernel
takes an `Engine`:

    support, targets = engine.support_features(x_s), engine.target_features(x_t)
    k_ts, saved = engine.k_ts_saving(support, targets)
    parts = engine.pullback(support, targets, cotangent, saved=saved)     # gradient of sum(cotangent * k_ts)
    gradient = engine.pullback_images(x_s, parts)                         # by the support's pixels

What stands between images and kernel belongs to the engine: its features `F` and what it saves for a gradient, `S`.
Kernels are [targets, support]. One mesh axis, `target`, shards the targets; the support is on every device.
"""

from collections.abc import Sized
from typing import Protocol, TypeVar

import jax
import numpy as np
from jax import Array

# len() of features is the number of their images.
F = TypeVar("F", bound=Sized)
F_co = TypeVar("F_co", bound=Sized, covariant=True)
S = TypeVar("S")


class TargetStore(Protocol[F_co]):
    """Images on the host [n, h, w, c], with what the engine computes once for each."""

    def take(self, indices: np.ndarray) -> F_co:
        """Features of the images `indices` [t], sharded; t is a multiple of the number of devices."""
        ...


class Engine(Protocol[F, S]):
    """A kernel on a set of devices."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(h, w, c) of every image."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of images and kernels: float32 or float64."""
        ...

    @property
    def devices(self) -> tuple[jax.Device, ...]:
        """The mesh."""
        ...

    def chunk(self, targets: int, support: int) -> int:
        """The even size of chunks in which `targets` meet `support` images: what the host waits for at a time."""
        ...

    def support_features(self, images: Array | np.ndarray) -> F:
        """Features of the support [s, h, w, c], on every device.

        Raises:
          ValueError: the images are not of this engine's shape and dtype, or not finite.
        """
        ...

    def target_features(self, images: Array | np.ndarray) -> F:
        """Features of targets [t, h, w, c], sharded; padded with copies to what the devices share evenly.

        Raises:
          ValueError: the images are not of this engine's shape and dtype, or not finite.
        """
        ...

    def target_store(self, images: np.ndarray) -> TargetStore[F]:
        """Targets [n, h, w, c] of which parts will be taken often.

        Raises:
          ValueError: the images are not of this engine's shape and dtype, or not finite.
        """
        ...

    def k_ts(self, support: F, targets: F) -> Array | np.ndarray:
        """The kernel [t, s], sharded by its targets."""
        ...

    def k_ts_saving(self, support: F, targets: F) -> tuple[Array | np.ndarray, S | None]:
        """The same, and what spares `pullback` a second forward pass; None: nothing does."""
        ...

    def half_k_ss(self, support: F, rows: np.ndarray) -> Array | np.ndarray:
        """Kernels of the support with itself, every pair once: k_ss[i, (i + j) mod s] for i in `rows`, j = 0 .. s // 2.

        rows: indices [r], as many as the devices share evenly.

        Returns [r, s // 2 + 1]; `kerneldistill.kernels.blocks.whole` makes k_ss of all rows.
        """
        ...

    def pullback(
        self, support: F, targets: F, cotangent: np.ndarray, onto: F | None = None, saved: S | None = None
    ) -> F:
        """The gradient of sum(cotangent [t, s] * k_ts) by the support's features, in parts: one of each device.

        Targets beyond the t of `cotangent` are padding and get none.

        onto: parts to add to, from pullbacks of the same support; they are used up. None: nothing yet.
        saved: what `k_ts_saving` gave for the same support and targets; None: it is computed again.

        Returns arrays [devices among which targets are dealt, s, ...], sharded, for `pullback_images`.
        """
        ...

    def pullback_images(self, images: Array | np.ndarray, parts: F) -> Array | np.ndarray:
        """The gradient by the support's pixels [s, h, w, c], from what `pullback` added up over all devices."""
        ...


class JacobianEngine(Engine[F, S], Protocol[F, S]):
    """An engine that also gives the gradient of each entry by itself, for second-order steps."""

    def jacobian_chunk(self, targets: int, support: int) -> int:
        """The even size of chunks in which `targets` meet `support` images, so that a Jacobian takes <= 256 MB or so.

        A chunk is not smaller than a tile on each device; where many support images make that too large, give parts
        of them.
        """
        ...

    def k_ts_and_jacobian(self, support: F, targets: F) -> tuple[Array, Array]:
        """The kernel [t, s], and dk_ts[t, s] / dx_s by the pixels of its support image: [t, s, h, w, c].

        Both are sharded by their targets, padding included. As a support image appears in its own column alone, the
        gradient of sum(cotangent * k_ts) by x_s is the sum over t of cotangent[t, s] times this.
        """
        ...
