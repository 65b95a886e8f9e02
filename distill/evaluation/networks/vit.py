"""A small vision transformer: DeiT-Ti (Touvron et al. 2020, 2012.12877, table 1) over patches of 4x4 pixels.

A class token and learned positions; layers of self-attention with a head for every 64 channels and of a perceptron four
times as wide, each behind a layer norm and beside a shortcut; no dropout. Weights are drawn as there, normal of
deviation 0.02 cut at two of it (facebookresearch/deit vision_transformer of timm, `trunc_normal_`).
"""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Model, flax_model

PATCH = 4
_HEAD = 64
_weights = nn.initializers.truncated_normal(0.02)


class VisionTransformer(nn.Module):
    """outputs: classes. width: channels of a token. depth: layers."""

    outputs: int
    width: int
    depth: int

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Outputs [n, outputs] of images [n, h, w, c]."""
        patch = (PATCH, PATCH)
        x = nn.Conv(self.width, patch, patch, "VALID", kernel_init=_weights)(x).reshape(len(x), -1, self.width)
        token = self.param("token", _weights, (1, 1, self.width), jnp.float32)
        x = jnp.concatenate([jnp.broadcast_to(token, (len(x), 1, self.width)), x], axis=1)
        x = x + jnp.broadcast_to(self.param("positions", _weights, (1, *x.shape[1:]), jnp.float32), x.shape)
        for _ in range(self.depth):
            heads = max(1, self.width // _HEAD)
            attention = nn.MultiHeadDotProductAttention(heads, kernel_init=_weights, deterministic=True)
            x = x + attention(_norm(x))
            hidden = nn.gelu(_dense(_norm(x), 4 * self.width), approximate=False)
            x = x + _dense(hidden, self.width)
        return _dense(_norm(x)[:, 0], self.outputs)


def build(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Model:
    """Return the network of a spec."""
    return flax_model(VisionTransformer(outputs, spec.width, spec.depth), image_shape)


def _norm(x: Array) -> Array:
    return nn.LayerNorm(epsilon=1e-6, use_fast_variance=False)(x)


def _dense(x: Array, outputs: int) -> Array:
    return nn.Dense(outputs, kernel_init=_weights)(x)
