"""The definition: the same kernels in float64 numpy, every pixel pair, one loop iteration at a time. For tests only.

K[p, q] is the covariance of pixel p of x with pixel q of x', for all p and q; nothing is left out or reordered.
"""

from math import acos, asin, pi, sqrt

import numpy as np

from kernels.layers import Activation, AvgPool, Conv, Dense, Flatten, GlobalAvgPool
from kernels.networks import Network

Pairs = dict[tuple[int, int, int, int], float]


def reference_kernel(network: Network, x1: np.ndarray, x2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NNGP and NTK [n1, n2] of images `x1` [n1, h, w, c] and `x2` [n2, h, w, c]."""
    values = [[_entry(network, a, b) for b in x2] for a in x1]
    return np.array([[v[0] for v in row] for row in values]), np.array([[v[1] for v in row] for row in values])


def _entry(network: Network, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Follows the three kernels (a, b), (a, a), (b, b) through the layers together."""
    images = ((a, b), (a, a), (b, b))
    pairs = [_products(x, y) for x, y in images]
    tangents = [dict.fromkeys(p, 0.0) for p in pairs]
    for layer in network.layers:
        before = pairs
        pairs = [_covariance(layer, i, before) for i in range(3)]
        tangents = [_tangent(layer, i, before, pairs[i], tangents[i]) for i in range(3)]
    return pairs[0][0, 0, 0, 0], tangents[0][0, 0, 0, 0]


def _products(x: np.ndarray, y: np.ndarray) -> Pairs:
    h, w, channels = x.shape
    every = np.ndindex(h, w, h, w)
    return {(p, q, r, s): float(np.dot(x[p, q], y[r, s])) / channels for p, q, r, s in every}


def _covariance(layer, which: int, kernels: list[Pairs]) -> Pairs:
    own = kernels[which]
    match layer:
        case Conv():
            return {key: layer.W_std**2 / 9 * _neighbours(own, key) + layer.b_std**2 for key in own}
        case Dense():
            return {key: layer.W_std**2 * value + layer.b_std**2 for key, value in own.items()}
        case Activation():
            return {key: _dual(layer.function, *_moments(which, kernels, key))[0] for key in own}
        case _:
            return _linear(layer, own)


def _tangent(layer, which: int, before: list[Pairs], after: Pairs, tangent: Pairs) -> Pairs:
    match layer:
        case Conv():
            return {key: after[key] + layer.W_std**2 / 9 * _neighbours(tangent, key) for key in after}
        case Dense():
            return {key: after[key] + layer.W_std**2 * tangent[key] for key in after}
        case Activation():
            return {key: tangent[key] * _dual(layer.function, *_moments(which, before, key))[1] for key in after}
        case _:
            return _linear(layer, tangent)


def _neighbours(pairs: Pairs, key: tuple[int, int, int, int]) -> float:
    p, q, r, s = key
    shifts = np.ndindex(3, 3)
    return sum(pairs.get((p + i - 1, q + j - 1, r + i - 1, s + j - 1), 0.0) for i, j in shifts)


def _moments(which: int, kernels: list[Pairs], key: tuple[int, int, int, int]) -> tuple[float, float, float]:
    p, q, r, s = key
    first, second = (kernels[1], kernels[2]) if which == 0 else (kernels[which], kernels[which])
    return kernels[which][key], first[p, q, p, q], second[r, s, r, s]


def _dual(name: str, k: float, v1: float, v2: float) -> tuple[float, float]:
    """E[phi(u) phi(v)] and E[phi'(u) phi'(v)]."""
    match name:
        case "relu":
            scale = sqrt(v1 * v2)
            c = 1.0 if k >= scale else k / scale
            angle = pi - acos(c)
            return scale * (sqrt(1 - c * c) + angle * c) / (2 * pi), angle / (2 * pi)
        case "erf":
            scale = 2 / sqrt((1 + 2 * v1) * (1 + 2 * v2))
            return 2 / pi * asin(k * scale), 2 / pi * scale / sqrt(1 - (k * scale) ** 2)
        case "identity":
            return k, 1.0
    raise ValueError(f"no reference for activation {name!r}")


def _linear(layer, pairs: Pairs) -> Pairs:
    """Pools and heads: the same mean for both kernels."""
    height, width = (max(key[i] for key in pairs) + 1 for i in (0, 1))
    match layer:
        case AvgPool():
            return {
                (p, q, r, s): sum(
                    pairs[2 * p + i, 2 * q + j, 2 * r + k, 2 * s + m] for i, j, k, m in np.ndindex(2, 2, 2, 2)
                )
                / 16
                for p, q, r, s in np.ndindex(height // 2, width // 2, height // 2, width // 2)
            }
        case Flatten():
            return {(0, 0, 0, 0): sum(pairs[p, q, p, q] for p, q in np.ndindex(height, width)) / (height * width)}
        case GlobalAvgPool():
            return {(0, 0, 0, 0): sum(pairs.values()) / (height * width) ** 2}
    raise ValueError(f"no reference for layer {layer}")
