"""Engines on small images, and what they compute as plain arrays."""

from collections.abc import Sequence

import jax
import numpy as np

from kerneldistill.kernels.engine import Engine
from kerneldistill.kernels.gram import gram
from kerneldistill.kernels.networks import Network


def images(count: int, shape: Sequence[int], dtype=np.float64, seed: int = 0) -> np.ndarray:
    """Normal pixels [count, *shape]."""
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype(dtype)


def engine(network: Network, shape: Sequence[int], get: str = "ntk", dtype=np.float64, devices: int = 2) -> Engine:
    """An engine on the first CPU devices."""
    return Engine(network, get, tuple(shape), np.dtype(dtype), tuple(jax.devices()[:devices]))


def kernel(engine: Engine, x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    """The kernel [n1, n2]."""
    return np.asarray(engine.block(engine.rows(x1), engine.columns(x2)))[:, : len(x2)]


def gradient(engine: Engine, x1: np.ndarray, x2: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
    """Gradient of sum(cotangent [n1, n2] * kernel) by x1."""
    by_features = engine.pullback(engine.rows(x1), engine.columns(x2), cotangent)
    return np.asarray(engine.pull_back_rows(x1, by_features))


def both_kernels(network: Network, x1: np.ndarray, x2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NNGP and NTK [n1, n2] in one compilation."""
    found = jax.jit(lambda a, b: (gram(network, a, b, "nngp"), gram(network, a, b, "ntk")))(x1, x2)
    return np.asarray(found[0]), np.asarray(found[1])
