"""Engines on small images, and what they compute as plain arrays."""

from collections.abc import Sequence

import jax
import numpy as np
import pytest

from kerneldistill.kernels import exact_engine
from kerneldistill.kernels.device_kinds import CPU
from kerneldistill.kernels.engine import Engine, JacobianEngine
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.gram_matrix import gram
from kerneldistill.kernels.names import KernelKind
from kerneldistill.kernels.network import Network


def images(count: int, shape: Sequence[int], dtype=np.float64, seed: int = 0) -> np.ndarray:
    """Normal pixels [count, *shape]."""
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype(dtype)


def engine(
    network: Network, shape: Sequence[int], kind: KernelKind = "ntk", dtype=np.float64, devices: int = 2
) -> ExactEngine:
    """An engine on the first CPU devices."""
    return ExactEngine(network, kind, tuple(shape), np.dtype(dtype), tuple(jax.devices()[:devices]))


def allow(monkeypatch: pytest.MonkeyPatch, **values: int) -> None:
    """Let engines take their devices for CPUs that differ by the fields `values` of `DeviceKind`."""
    monkeypatch.setattr(exact_engine, "kind_of", lambda _: CPU._replace(**values))


def kernel(engine: Engine, targets: np.ndarray, support: np.ndarray) -> np.ndarray:
    """k_ts [t, s]."""
    return np.asarray(engine.k_ts(engine.support_features(support), engine.target_features(targets)))[: len(targets)]


def gradient(engine: Engine, targets: np.ndarray, support: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
    """Gradient of sum(cotangent [t, s] * k_ts) by the support."""
    by_features = engine.pullback(engine.support_features(support), engine.target_features(targets), cotangent)
    return np.asarray(engine.pullback_images(support, by_features))


def both_kernels(network: Network, x1: np.ndarray, x2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NNGP and NTK [n1, n2] in one compilation."""
    found = jax.jit(lambda a, b: (gram(network, a, b, "nngp"), gram(network, a, b, "ntk")))(x1, x2)
    return np.asarray(found[0]), np.asarray(found[1])


def jacobian(engine: JacobianEngine, targets: np.ndarray, support: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """k_ts [t, s], and the gradient of each entry by its support image [t, s, h, w, c]."""
    found = engine.k_ts_and_jacobian(engine.support_features(support), engine.target_features(targets))
    return np.asarray(found[0])[: len(targets)], np.asarray(found[1])[: len(targets)]
