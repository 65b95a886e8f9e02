"""An encoder that cannot be used is refused with what it does; equal ones have one identity, on any device."""

from collections.abc import Callable
from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerneldistill.kernels.encoder_checks import EncoderError, Identity, check_encoder, identity_of, probes
from tests.helpers.encoders import SHAPE, encoder

PHI = encoder()
FLOAT32 = np.dtype("float32")
NUMBERS = count(1)


def flat(x: jax.Array) -> jax.Array:
    return x.reshape(len(x), -1)


def drawn(x: jax.Array) -> jax.Array:
    return PHI(x) + jnp.asarray(next(NUMBERS), x.dtype)


BAD: dict[str, tuple[Callable, str]] = {
    "numpy": (lambda x: np.asarray(x).reshape(len(x), -1), r"fails under jax \(TracerArrayConversionError"),
    "raises": (
        lambda x: x @ jnp.ones((3, 3), x.dtype),
        r"fails under jax \(TypeError: dot_general.*images \[n, 6, 6, 1\]",
    ),
    "list": (lambda x: [PHI(x)], r"returns list for 1 images, allowed is \[1, d\]"),
    "map": (lambda x: x, r"returns \(1, 6, 6, 1\) for 1 images"),
    "vector": (lambda x: x.sum((1, 2, 3)), r"returns \(1,\) for 1 images"),
    "batch": (lambda x: flat(x)[:, : 5 + len(x)], r"changes the number of features .*6 for 1, 8 for 3, 9 for 4"),
    "integers": (lambda x: flat(x).astype(jnp.int32), "is not differentiable, it returns int32"),
    "nan": (lambda x: jnp.log(flat(x)), "returns NaN or infinite features"),
    "zeros": (lambda x: 0 * flat(x), "returns zeros alone"),
    "drawn": (drawn, "is not deterministic"),
    "batch norm": (
        lambda x: PHI(x) - PHI(x).mean(0, keepdims=True),
        "gives an image other features when it stands among others",
    ),
    "rounded": (lambda x: jnp.round(flat(x)), "is not differentiable, its gradient is 0 everywhere"),
    "stopped": (lambda x: jax.lax.stop_gradient(PHI(x)), "is not differentiable, its gradient is 0 everywhere"),
    "callback": (
        lambda x: jax.pure_callback(lambda y: y, jax.ShapeDtypeStruct(flat(x).shape, x.dtype), flat(x)),
        r"is not differentiable \(ValueError: Pure callbacks do not support JVP",
    ),
    "kink": (lambda x: jnp.sqrt(jnp.maximum(flat(x), 0)), "has NaN or infinite gradients"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_refused_in_one_line(name: str) -> None:
    phi, message = BAD[name]
    with pytest.raises(EncoderError, match=message) as error:
        check_encoder(phi, SHAPE, FLOAT32)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_can_be_used_passes(dtype: str) -> None:
    check_encoder(PHI, SHAPE, np.dtype(dtype))
    check_encoder(jax.jit(PHI), SHAPE, np.dtype(dtype))


def test_the_same_encoder_is_known_through_rounding() -> None:
    def rounded(x: jax.Array) -> jax.Array:
        return PHI(x) * (1 + 1e-6)

    found = identity_of(PHI, SHAPE, FLOAT32)
    assert found.size == 5
    assert len(found.kernel) == 10
    assert found.same(identity_of(rounded, SHAPE, FLOAT32))
    assert found.same(identity_of(PHI, SHAPE, np.dtype("float64")))


@pytest.mark.parametrize("phi", [encoder(seed=1), encoder(6), lambda x: PHI(x) * 1.001, lambda x: PHI(0.999 * x)])
def test_another_encoder_is_known(phi) -> None:
    assert not identity_of(PHI, SHAPE, FLOAT32).same(identity_of(phi, SHAPE, FLOAT32))
    assert not Identity(5, (1.0,)).same(Identity(5, (1.0, 2.0)))


def test_probes_are_always_the_same_and_differ() -> None:
    found = probes((5, 9, 3), FLOAT32)
    assert np.array_equal(found, probes((5, 9, 3), FLOAT32))
    assert found.shape == (4, 5, 9, 3)
    assert len(np.unique(found.reshape(4, -1), axis=0)) == 4
