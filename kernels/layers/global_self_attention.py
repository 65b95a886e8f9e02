"""Multi-head self-attention between all pixels, in the limits that have a closed form."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import jax
import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.kernels.activations.dual import Factors
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import Inputs, Layer, Pairs, Places, ScaledWeights, Shape
from kerneldistill.kernels.layers.per_image import PerImage
from kerneldistill.kernels.layers.positional_embedding import PositionalEmbedding
from kerneldistill.kernels.layers.weighted import Parameter
from kerneldistill.kernels.names import MOST_TOKENS
from kerneldistill.kernels.offsets import Offsets
from kerneldistill.kernels.pair_matrix import band_of, matrix_of
from kerneldistill.kernels.passes import Passes

Scaling = Literal["linear", "sqrt"]
Mechanism = Literal["softmax", "identity", "abs", "relu"]

# Of weights [..., pixels that look, pixels seen, lanes]; the axis is that of those seen.
_MECHANISMS: dict[Mechanism, Callable[[Array, int], Array]] = {
    "softmax": lambda x, axis: jax.nn.softmax(x, axis=axis),
    "identity": lambda x, _: x,
    "abs": lambda x, _: jnp.abs(x),
    "relu": lambda x, _: jnp.maximum(x, 0),
}


@dataclass(frozen=True)
class GlobalSelfAttention(PerImage):
    """Multi-head self-attention (Hron et al. 2020, 2006.10540; neural-tangents' `GlobalSelfAttention`).

    Each pixel is a token, and sees them all: f(a) = W_out [heads: sum over b of zeta(q(a) . k(b)) v(b)] + bias. With P
    = K of the outputs without bias, and own the parts of the matrices' own parameters, in the limit of many heads:
      linear  q . k / channels of a head, queries of the keys' weights; zeta of covariances of the image with itself,
              G = zeta(W_query W_key K_xx), is constant:
              P = W^2 G K G'^T,  Theta <- W^2 G Theta G'^T + 2 P + b_std^2 with W = W_value W_out
      sqrt    q . k / root of the channels, of weights of their own, and no zeta; with W that of all four and <K, Theta>
              the sum over all pairs:
              P = W^2 <K, K> K,  Theta <- W^2 (2 <K, Theta> K + <K, K> Theta) + 4 P + b_std^2
    Where there are positions, queries and keys (and values, if `value_positions`) see K + R of `PositionalEmbedding`.

    scaling: of q . k
    mechanism: zeta; softmax over the pixels seen. None but identity has a closed form in the scaling sqrt.
    W_query_std, W_key_std, W_value_std, W_out_std: of weights of variance W_std^2 / fan_in
    b_std: of the bias of the outputs
    positions: added to its inputs
    value_positions: whether those of the values too
    head: channels of a head of a finite network, which has as many heads as fit its width
    fan_in, fan_out: inputs of each query, key and value, and of each output; see `weighted`

    Raises:
      ValueError: for numbers that cannot be, or a mechanism without a closed form; when the network is made.
    """

    scaling: Scaling = "linear"
    mechanism: Mechanism = "softmax"
    W_query_std: float = 1.0
    W_key_std: float = 1.0
    W_value_std: float = 1.0
    W_out_std: float = 1.0
    b_std: float = 0.0
    positions: PositionalEmbedding | None = None
    value_positions: bool = False
    head: int = 64
    fan_in: int | None = None
    fan_out: int | None = None

    before_head: ClassVar[bool] = True
    takes_bands: ClassVar[bool] = True
    every_offset: ClassVar[bool] = True

    @property
    def linear(self) -> bool:
        """Which of the scalings it has."""
        return self.scaling == "linear"

    @property
    def needs_images(self) -> bool:
        """See `PerImage.needs_images`: what weighs the values."""
        return self.linear

    @property
    def matrices(self) -> dict[str, Parameter]:
        """Its matrices by name; the queries of the linear scaling have the keys'."""
        found = {} if self.linear else {"query": Parameter(self.W_query_std, 0.0, self.fan_in)}
        return {
            **found,
            "key": Parameter(self.W_key_std, 0.0, self.fan_in),
            "value": Parameter(self.W_value_std, 0.0, self.fan_in),
            "out": Parameter(self.W_out_std, self.b_std, self.fan_out),
        }

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`."""
        if self.scaling not in get_args(Scaling):
            raise ValueError(f"{self}: the scaling of attention is one of {', '.join(get_args(Scaling))}")
        if self.mechanism not in _MECHANISMS:
            raise ValueError(f"{self}: the mechanism of attention is one of {', '.join(_MECHANISMS)}")
        if not self.linear and self.mechanism != "identity":
            raise ValueError(
                f"{self}: the scaling sqrt has a closed form for the mechanism identity alone: use that, or "
                "scaling='linear'"
            )
        if min(self.W_query_std, self.W_key_std, self.W_value_std, self.W_out_std) <= 0 or self.b_std < 0:
            raise ValueError(f"{self}: the deviations of its weights must be > 0 and b_std >= 0")
        if self.head < 1:
            raise ValueError(f"{self}: a head has 1 channel or more")
        if self.positions is not None:
            self.positions.check(inputs)
        elif self.value_positions:
            raise ValueError(f"{self}: values see positions where there are some: set positions=PositionalEmbedding()")
        return "gaussian"

    def shape_after(self, shape: Shape, width: int) -> Shape:
        """See `Layer.shape_after`."""
        height, across, _ = shape
        if height * across > MOST_TOKENS:
            raise ValueError(
                f"{self}: {height} x {across} pixels reach it, {height * across} tokens, and at most {MOST_TOKENS} are "
                "allowed, as an entry takes their number cubed: put larger patches, a stride or a pool before it"
            )
        return height, across, width

    def leaves(self, path: str) -> Iterator[tuple[str, Layer]]:
        """See `Layer.leaves`."""
        yield path, self
        for name, matrix in self.matrices.items():
            yield f"{path}.{name}", matrix
        if self.positions is not None:
            yield f"{path}.positions", self.positions.parameter

    def fan_ins(self, shape: Shape, width: int, path: str) -> dict[str, int]:
        """See `Layer.fan_ins`."""
        found = {f"{path}.{name}": width if name == "out" else shape[2] for name in self.matrices}
        return found if self.positions is None else {**found, f"{path}.positions": 1}

    def weight_shapes(self, shape: Shape, width: int, path: str) -> dict[str, tuple[int, ...]]:
        """See `Layer.weight_shapes`."""
        found = {own: (inputs, width) for own, inputs in self.fan_ins(shape, width, path).items()}
        return found if self.positions is None else {**found, f"{path}.positions": shape}

    def with_fan_ins(self, fan_ins: Mapping[str, int], path: str) -> "GlobalSelfAttention":
        """See `Layer.with_fan_ins`."""
        positions = None if self.positions is None else replace(self.positions, fan_in=1)
        return replace(self, positions=positions, fan_in=fan_ins[f"{path}.value"], fan_out=fan_ins[f"{path}.out"])

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        n, height, across, _ = x.shape
        seen = x if self.positions is None else x + self.positions.table(weights[f"{path}.positions"])[None]

        def projected(name: str, inputs: Array) -> Array:
            """[n, tokens, heads, channels of a head]"""
            own = weights[f"{path}.{name}"]
            channels = own.W.shape[1]
            return own.output(inputs @ own.W).reshape(n, height * across, -1, _head(self.head, channels))

        keys, values = projected("key", seen), projected("value", seen if self.value_positions else x)
        queries = (self.W_query_std / self.W_key_std) * keys if self.linear else projected("query", seen)
        scale = keys.shape[-1] ** (-1 if self.linear else -0.5)
        logits = scale * jnp.einsum("nahc,nbhc->nhab", queries, keys)
        heads = jnp.einsum("nhab,nbhc->nahc", _MECHANISMS[self.mechanism](logits, -1), values)
        out = weights[f"{path}.out"]
        return out.output(heads.reshape(n, height, across, -1) @ out.W)

    def note(self, band: Array, place: Offsets) -> Array:
        """See `PerImage.note`: G, [tokens, tokens, lanes]."""
        seen = self._seen(matrix_of(place, band), place)[0]
        return _MECHANISMS[self.mechanism](self.W_query_std * self.W_key_std * seen, 1)

    def kept(self, place: Offsets) -> tuple[int, int]:
        """See `PerImage.kept`."""
        return place.height * place.width, place.height * place.width

    def factors(self, std: Array) -> Factors:
        """See `PerImage.factors`."""
        return (std,)

    def paired(self, row: Factors, col: Factors, place: Offsets) -> tuple[Factors, Factors]:
        """See `PerImage.paired`: matrices as they are."""
        return row, col

    def cov(self, cov: Cov, pairs: Pairs, path: str) -> Cov:
        """See `Layer.cov`."""
        place = pairs.places(path)
        k = matrix_of(place, cov.nngp)
        theta = matrix_of(place, jnp.zeros_like(cov.nngp) if cov.ntk is None else cov.ntk) if pairs.with_ntk else None
        if self.linear:
            (row,), (col,) = pairs.factors(path, cov)
            nngp, ntk = self._weighed(k, theta, place, row, col)
        else:
            nngp, ntk = self._squared(k, theta, place)
        if ntk is not None:
            ntk = ntk + self._own * nngp + self._own_bias
        nngp = nngp + self.b_std**2
        return Cov(band_of(place, nngp), None if ntk is None else band_of(place, ntk))

    def passes(self, before: Passes, with_ntk: bool, places: Places, path: str) -> Passes:
        """See `Layer.passes`: products of matrices of all tokens, and what is done with each entry."""
        place = places(path)
        tokens = place.height * place.width
        kernels, entries = 1 + with_ntk, tokens**2
        if self.linear:
            # In reverse the product with the row's weights is differentiated by both, that with the columns' by one.
            each, back = 4 * tokens**3, 6 * tokens**3
        else:
            each, back = 2 * entries, 4 * entries
        forward = kernels * (each + 2 * entries) + (2 * entries if with_ntk else 0)
        return before.and_then(Passes(forward, kernels * (back + 2 * entries), with_ntk))

    def price(self, place: Offsets) -> int:
        """See `Layer.price`: a convolution of both kernels takes some 12 operations a pair."""
        tokens = place.height * place.width
        return place.points + (2 * tokens**3 // 3 if self.linear else 2 * tokens**2)

    def _weighed(
        self, k: Array, theta: Array | None, place: Offsets, row: Array, col: Array
    ) -> tuple[Array, Array | None]:
        """W^2 G K G'^T, and of Theta, of the inputs of the values."""
        if self.value_positions:
            k, theta = self._seen(k, place, theta)
        scale = (self.W_value_std * self.W_out_std) ** 2

        def both(x: Array) -> Array:
            return scale * _product(_product(row, x), jnp.swapaxes(col, 0, 1))

        return both(k), None if theta is None else both(theta)

    def _squared(self, k: Array, theta: Array | None, place: Offsets) -> tuple[Array, Array | None]:
        """W^2 <K, K> K, and what of the inputs' Theta is left; one K each of the inputs of keys, values and queries."""
        seen, by_seen = self._seen(k, place, theta)
        values, by_values = (seen, by_seen) if self.value_positions else (k, theta)
        scale = (self.W_query_std * self.W_key_std * self.W_value_std * self.W_out_std) ** 2
        product = jnp.sum(seen * values, axis=(0, 1), keepdims=True)
        if theta is None or by_seen is None or by_values is None:
            return scale * product * seen, None
        slopes = jnp.sum(seen * by_values + values * by_seen, axis=(0, 1), keepdims=True)
        return scale * product * seen, scale * (slopes * seen + product * by_seen)

    def _seen(self, k: Array, place: Offsets, theta: Array | None = None) -> tuple[Array, Array | None]:
        """Both kernels of what queries and keys are made of."""
        if self.positions is None:
            return k, theta
        nngp, ntk = (jnp.asarray(own, k.dtype)[..., None] for own in self.positions.own(place.height, place.width))
        return k + nngp, None if theta is None else theta + ntk

    @property
    def _own(self) -> float:
        """How often its weights' own part is P; keys of the linear scaling have none in the limit."""
        matrices = [matrix for name, matrix in self.matrices.items() if not (self.linear and name == "key")]
        return sum(1 if m.fan_in is None else m.fan_in / m.W_std**2 for m in matrices)

    @property
    def _own_bias(self) -> float:
        return self.b_std**2 if self.fan_in is None else float(self.b_std > 0)


def _head(most: int, channels: int) -> int:
    """Channels of a head: as many as are asked for, or the fewest above that divide all."""
    return next(size for size in range(min(most, channels), channels + 1) if channels % size == 0)


def _product(x: Array, y: Array) -> Array:
    """The matrices of each lane multiplied, [a, b, lanes] by [b, c, lanes]; x may have one lane for all.

    Column by row, which keeps lanes innermost. With `jnp.einsum`, which CPU programs of one routine do not hand to a
    library, an entry of 64 tokens and one layer took 2.0 ms for 0.5, and its gradient 3.3 for 1.6; a sum of all
    products stored them.
    """

    def added(total: Array, column_and_row: tuple[Array, Array]) -> tuple[Array, None]:
        column, row = column_and_row
        return total + column[:, None] * row[None], None

    nothing = jnp.zeros((len(x), *y.shape[1:]), y.dtype)
    return lax.scan(added, nothing, (jnp.swapaxes(x, 0, 1), y))[0]
