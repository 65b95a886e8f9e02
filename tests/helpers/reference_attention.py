"""The definition of attention and of positions, pair by pair, and what passes through all layers of `reference`."""

from math import exp
from typing import NamedTuple

import numpy as np

from kerneldistill.kernels.layers import GlobalSelfAttention, PositionalEmbedding

Pairs = dict[tuple[int, int, int, int], float]


class Kernel(NamedTuple):
    """Of two images: covariance and tangent kernel of every pixel pair.

    inputs: what a next layer has per output (and filter tap), in the standard parameterisation; None in NTK's.
    width: of the hidden layers, likewise.
    channels: in widths of a hidden layer.
    """

    nngp: Pairs
    ntk: Pairs
    inputs: int | None
    width: int | None
    channels: int = 1


def size_of(pairs: Pairs) -> tuple[int, int]:
    """The pixels of an image."""
    return max(key[0] for key in pairs) + 1, max(key[1] for key in pairs) + 1


def placed(layer: PositionalEmbedding | None, kernel: Kernel) -> Kernel:
    """With the covariances of positions, which are learned as they are in the standard parameterisation."""
    if layer is None:
        return kernel
    nngp, ntk = dict(kernel.nngp), dict(kernel.ntk)
    for p, q, r, s in nngp:
        distance = (p - r) ** 2 + (q - s) ** 2
        correlation = float(distance == 0) if layer.decay is None else exp(-layer.decay * distance)
        nngp[p, q, r, s] += layer.W_std**2 * correlation
        ntk[p, q, r, s] += (layer.W_std**2 if kernel.inputs is None else 1) * correlation
    return kernel._replace(nngp=nngp, ntk=ntk)


def attended(layer: GlobalSelfAttention, which: int, kernels: list[Kernel]) -> Kernel:
    """The outputs of attention, of kernel `which` of (a, b), (a, a), (b, b)."""
    own = kernels[which]
    first, second = (kernels[1], kernels[2]) if which == 0 else (own, own)
    seen = placed(layer.positions, own)
    values = seen if layer.value_positions else own
    pixels = list(np.ndindex(*size_of(own.nngp)))
    matrices = {"value": layer.W_value_std, "out": layer.W_out_std}
    if layer.scaling == "linear":
        left, right = (_attention_weights(layer, placed(layer.positions, kernel), pixels) for kernel in (first, second))

        def weighed(pairs: Pairs) -> Pairs:
            return {
                (*a, *b): sum(left[a][c] * right[b][d] * pairs[*c, *d] for c in pixels for d in pixels)
                for a in pixels
                for b in pixels
            }

        products, tangents = weighed(values.nngp), weighed(values.ntk)
    else:
        matrices |= {"query": layer.W_query_std, "key": layer.W_key_std}
        total = sum(seen.nngp[key] * values.nngp[key] for key in seen.nngp)
        slope = sum(seen.nngp[key] * values.ntk[key] + values.nngp[key] * seen.ntk[key] for key in seen.nngp)
        products = {key: total * seen.nngp[key] for key in seen.nngp}
        tangents = {key: slope * seen.nngp[key] + total * seen.ntk[key] for key in seen.nngp}
    scale = np.prod([std**2 for std in matrices.values()])
    bias = layer.b_std**2 if own.inputs is None else float(layer.b_std > 0)
    parts = 0.0
    for name, std in matrices.items():
        inputs = own.width if name == "out" else own.inputs
        parts += 1 if own.inputs is None else inputs / std**2
    nngp = {key: scale * value + layer.b_std**2 for key, value in products.items()}
    ntk = {key: scale * (tangents[key] + parts * products[key]) + bias for key in products}
    return own._replace(nngp=nngp, ntk=ntk, inputs=own.width, channels=1)


def _attention_weights(layer: GlobalSelfAttention, kernel: Kernel, pixels: list[tuple[int, int]]) -> dict:
    """How much of each pixel each pixel sees, where the products of keys are their covariance."""
    found = {}
    for a in pixels:
        logits = {b: layer.W_query_std * layer.W_key_std * kernel.nngp[*a, *b] for b in pixels}
        match layer.mechanism:
            case "softmax":
                total = sum(exp(value) for value in logits.values())
                found[a] = {b: exp(value) / total for b, value in logits.items()}
            case "abs":
                found[a] = {b: abs(value) for b, value in logits.items()}
            case "relu":
                found[a] = {b: max(value, 0.0) for b, value in logits.items()}
            case "identity":
                found[a] = logits
    return found
