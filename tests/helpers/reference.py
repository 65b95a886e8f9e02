"""The definition: the same kernels in float64 numpy, every pixel pair, one loop iteration at a time. For tests only.

K[p, q] is the covariance of pixel p of x with pixel q of x', for all p and q; nothing is left out or reordered.
"""

from math import acos, asin, pi, sqrt

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kerneldistill.kernels.activations import dual_of
from kerneldistill.kernels.layers import (
    Activation,
    AvgPool,
    Concat,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    GlobalSelfAttention,
    LayerNorm,
    PositionalEmbedding,
    Residual,
    Sum,
)
from kerneldistill.kernels.layers.layer import Layer
from kerneldistill.kernels.network import Network
from tests.helpers.reference_attention import Kernel, Pairs, attended, placed, size_of


def reference_kernel(network: Network, x1: np.ndarray, x2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NNGP and NTK [n1, n2] of images `x1` [n1, h, w, c] and `x2` [n2, h, w, c]."""
    values = [[_entry(network, a, b) for b in x2] for a in x1]
    return np.array([[v[0] for v in row] for row in values]), np.array([[v[1] for v in row] for row in values])


def _entry(network: Network, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Follows the three kernels (a, b), (a, a), (b, b) through the layers together."""
    own = _through(network.layers, [_images(network, x, y) for x, y in ((a, b), (a, a), (b, b))])[0]
    return own.nngp[0, 0, 0, 0], own.ntk[0, 0, 0, 0]


def _images(network: Network, x: np.ndarray, y: np.ndarray) -> Kernel:
    h, w, channels = x.shape
    nngp = {(p, q, r, s): float(np.dot(x[p, q], y[r, s])) / channels for p, q, r, s in np.ndindex(h, w, h, w)}
    return Kernel(nngp, dict.fromkeys(nngp, 0.0), None if network.width is None else channels, network.width)


def _through(layers: tuple[Layer, ...], kernels: list[Kernel]) -> list[Kernel]:
    for layer in layers:
        if isinstance(layer, Residual):
            branch = _through(layer.branch, kernels)
            shortcut = kernels if layer.shortcut is None else _through((layer.shortcut,), kernels)
            kernels = [_sum(a, b) for a, b in zip(branch, shortcut, strict=True)]
        elif isinstance(layer, Sum):
            kernels = [_total(each) for each in zip(*(_through(b, kernels) for b in layer.branches), strict=True)]
        elif isinstance(layer, Concat):
            kernels = [_mixed(each) for each in zip(*(_through(b, kernels) for b in layer.branches), strict=True)]
        elif isinstance(layer, LayerNorm):
            kernels = [_normalised(layer, which, kernels) for which in range(3)]
        elif isinstance(layer, GlobalSelfAttention):
            kernels = [attended(layer, which, kernels) for which in range(3)]
        elif isinstance(layer, PositionalEmbedding):
            kernels = [placed(layer, kernel) for kernel in kernels]
        elif isinstance(layer, Activation):
            kernels = [_activated(layer, which, kernels) for which in range(3)]
        elif isinstance(layer, Conv | Dense):
            kernels = [_weighted(layer, kernel) for kernel in kernels]
        else:
            kernels = [_averaged(layer, kernel) for kernel in kernels]
    return kernels


def _sum(a: Kernel, b: Kernel) -> Kernel:
    return a._replace(
        nngp={key: a.nngp[key] + b.nngp[key] for key in a.nngp}, ntk={key: a.ntk[key] + b.ntk[key] for key in a.ntk}
    )


def _total(kernels: tuple[Kernel, ...]) -> Kernel:
    first, *others = kernels
    for other in others:
        first = _sum(first, other)
    return first


def _mixed(kernels: tuple[Kernel, ...]) -> Kernel:
    """Of the channels of all of them, behind one another."""
    channels = sum(kernel.channels for kernel in kernels)

    def mean(name: str) -> Pairs:
        parts = [(kernel.channels / channels, getattr(kernel, name)) for kernel in kernels]
        return {key: sum(share * pairs[key] for share, pairs in parts) for key in parts[0][1]}

    inputs = None if kernels[0].width is None else kernels[0].width * channels
    return Kernel(mean("nngp"), mean("ntk"), inputs, kernels[0].width, channels)


def _normalised(layer: LayerNorm, which: int, kernels: list[Kernel]) -> Kernel:
    own = kernels[which]
    first, second = (kernels[1], kernels[2]) if which == 0 else (own, own)

    def variance(kernel: Kernel, p: int, q: int) -> float:
        pixels = {(a, b) for a, b, _, _ in kernel.nngp} if layer.whole else {(p, q)}
        return sum(kernel.nngp[a, b, a, b] for a, b in pixels) / len(pixels) + layer.eps

    scale = {(p, q, r, s): 1 / sqrt(variance(first, p, q) * variance(second, r, s)) for p, q, r, s in own.nngp}
    nngp, ntk = ({key: scale[key] * pairs[key] for key in pairs} for pairs in (own.nngp, own.ntk))
    return own._replace(nngp=nngp, ntk=ntk)


def _weighted(layer: Conv | Dense, kernel: Kernel) -> Kernel:
    taps = layer.taps
    sums, tangents = (_windows(layer, pairs) for pairs in (kernel.nngp, kernel.ntk))
    nngp = {key: layer.W_std**2 / taps * value + layer.b_std**2 for key, value in sums.items()}
    if kernel.inputs is None:
        own = nngp
    else:
        own = {key: kernel.inputs * value + (1 if layer.b_std > 0 else 0) for key, value in sums.items()}
    ntk = {key: own[key] + layer.W_std**2 / taps * tangents[key] for key in own}
    return kernel._replace(nngp=nngp, ntk=ntk, inputs=kernel.width, channels=1)


def _windows(layer: Conv | Dense, pairs: Pairs) -> Pairs:
    """What each pair of outputs sees: sums over the taps of the filter, which lies on both images alike."""
    if isinstance(layer, Dense):
        return pairs
    height, width = size_of(pairs)
    size, stride = layer.size, layer.stride
    pads = lax.padtype_to_pads(
        (height, width), (size, size), (stride, stride), layer.padding.replace("CIRCULAR", "SAME")
    )
    (before, rows), (left, cols) = (
        (pad[0], (n + sum(pad) - size) // stride + 1) for n, pad in zip((height, width), pads, strict=True)
    )

    def at(p: int, q: int, r: int, s: int) -> float:
        if layer.padding == "CIRCULAR":
            p, q, r, s = p % height, q % width, r % height, s % width
        return pairs.get((p, q, r, s), 0.0)

    def window(p: int, q: int, r: int, s: int) -> float:
        taps = ((i - before, j - left) for i, j in np.ndindex(size, size))
        p, q, r, s = (stride * each for each in (p, q, r, s))
        return sum(at(p + i, q + j, r + i, s + j) for i, j in taps)

    return {key: window(*key) for key in np.ndindex(rows, cols, rows, cols)}


def _activated(layer: Activation, which: int, kernels: list[Kernel]) -> Kernel:
    own = kernels[which]
    first, second = (kernels[1], kernels[2]) if which == 0 else (own, own)
    nngp, ntk = {}, {}
    for key, k in own.nngp.items():
        p, q, r, s = key
        nngp[key], slope = _dual(layer.function, k, first.nngp[p, q, p, q], second.nngp[r, s, r, s])
        ntk[key] = own.ntk[key] * slope
    return own._replace(nngp=nngp, ntk=ntk)


def _dual(function, k: float, v1: float, v2: float) -> tuple[float, float]:
    """E[phi(u) phi(v)] and E[phi'(u) phi'(v)]."""
    match function:
        case "relu":
            scale = sqrt(v1 * v2)
            if scale == 0:
                return 0.0, 0.0
            c = 1.0 if k >= scale else max(k / scale, -1.0)
            angle = pi - acos(c)
            return scale * (sqrt(1 - c * c) + angle * c) / (2 * pi), angle / (2 * pi)
        case "erf":
            scale = 2 / sqrt((1 + 2 * v1) * (1 + 2 * v2))
            return 2 / pi * asin(k * scale), 2 / pi * scale / sqrt(1 - (k * scale) ** 2)
        case "identity":
            return k, 1.0
    return integrated_dual(dual_of(function).apply, k, v1, v2)


def integrated_dual(phi, k: float, v1: float, v2: float, nodes: int = 60) -> tuple[float, float]:
    """The same two expectations of any smooth phi, by Gauss-Hermite quadrature in the plane: nodes^2 points."""
    z, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights = np.outer(weights, weights) / weights.sum() ** 2
    # u = a z1, v = b z1 + c z2 with a^2 = v1, a b = k, b^2 + c^2 = v2.
    a = sqrt(v1)
    b = k / a if a > 0 else 0.0
    u = np.broadcast_to(a * z[:, None], weights.shape)
    v = b * z[:, None] + sqrt(max(0.0, v2 - b * b)) * z[None, :]
    values, slopes = zip(*(_value_and_slope(phi, x) for x in (u, v)), strict=True)
    return float(np.sum(weights * values[0] * values[1])), float(np.sum(weights * slopes[0] * slopes[1]))


def _value_and_slope(phi, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return jax.jvp(phi, (jnp.asarray(x),), (jnp.ones(x.shape, x.dtype),))


def _averaged(layer: AvgPool | Flatten | GlobalAvgPool, kernel: Kernel) -> Kernel:
    """Pools and heads: the same mean for both kernels."""
    height, width = size_of(kernel.nngp)
    inputs = kernel.inputs
    if isinstance(layer, Flatten) and inputs is not None:
        inputs *= height * width
    nngp, ntk = (_mean(layer, pairs, height, width) for pairs in (kernel.nngp, kernel.ntk))
    return kernel._replace(nngp=nngp, ntk=ntk, inputs=inputs)


def _mean(layer: AvgPool | Flatten | GlobalAvgPool, pairs: Pairs, height: int, width: int) -> Pairs:
    match layer:
        case AvgPool(size, stride):
            every = stride or size
            rows, cols = ((n - size) // every + 1 for n in (height, width))
            window = list(np.ndindex(size, size, size, size))
            return {
                key: sum(pairs[tuple(every * a + i for a, i in zip(key, moved, strict=True))] for moved in window)
                / size**4
                for key in np.ndindex(rows, cols, rows, cols)
            }
        case Flatten():
            return {(0, 0, 0, 0): sum(pairs[p, q, p, q] for p, q in np.ndindex(height, width)) / (height * width)}
        case GlobalAvgPool():
            return {(0, 0, 0, 0): sum(pairs.values()) / (height * width) ** 2}
