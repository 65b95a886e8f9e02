"""What layers do to covariances, one by one, and what nested layers make of the order of things."""

import jax.numpy as jnp
import numpy as np
import pytest

from kerneldistill.kernels.layers import Activation, Conv, Cov, Dense, Residual, activations, leaves, through
from kerneldistill.kernels.offsets import Offsets

NNGP, NTK = jnp.full((2, 3), 0.5), jnp.full((2, 3), 0.25)


def test_dense_in_both_parameterisations() -> None:
    ntk = Dense(2.0, 0.5).cov(Cov(NNGP, NTK), with_ntk=True)
    np.testing.assert_allclose(ntk.nngp, 4 * 0.5 + 0.25)
    np.testing.assert_allclose(ntk.ntk, 2.25 + 4 * 0.25)
    standard = Dense(2.0, 0.5, fan_in=7).cov(Cov(NNGP, NTK), with_ntk=True)
    np.testing.assert_array_equal(standard.nngp, ntk.nngp)
    np.testing.assert_allclose(standard.ntk, 7 * 0.5 + 1 + 4 * 0.25)
    np.testing.assert_allclose(Dense(2.0, 0.0, fan_in=7).cov(Cov(NNGP, None), with_ntk=True).ntk, 7 * 0.5)


@pytest.mark.parametrize("fan_in", [None, 18])
def test_conv_of_a_constant_image(fan_in: int | None) -> None:
    # 3 x 4 pixels, offset zero, one pair: four neighbours and itself at a corner are 4 of 9.
    plane = Offsets(3, 4, 0, 0, wrapped=False).plane(jnp.array(0))
    layer = Conv(3.0, 0.5, fan_in)
    found = layer.cov(Cov(jnp.ones((3, 1, 4, 1)), jnp.full((3, 1, 4, 1), 2.0)), plane, with_ntk=True)
    neighbours = np.outer([2, 3, 2], [2, 3, 3, 2])
    np.testing.assert_allclose(found.nngp[:, 0, :, 0], neighbours + 0.25)
    own = neighbours + 0.25 if fan_in is None else 2 * neighbours + 1
    np.testing.assert_allclose(found.ntk[:, 0, :, 0], own + 2 * neighbours)


def test_uncorrelated_functions_add() -> None:
    a, b = Cov(NNGP, None), Cov(NNGP, NTK, clean=False)
    np.testing.assert_allclose(a.plus(b).nngp, 1.0)
    np.testing.assert_allclose(a.plus(b).ntk, 0.25)
    np.testing.assert_allclose(b.plus(b).ntk, 0.5)
    assert a.plus(a).ntk is None
    assert (a.plus(a).clean, a.plus(b).clean) == (True, False)


def test_layers_are_walked_in_the_order_of_their_leaves() -> None:
    first, second, third = (Activation(name) for name in ("relu", "erf", "gelu"))
    shortcut, last = Conv(0.5), Conv(0.7)
    layers = (first, Residual((Residual((second, Conv()), shortcut), third, last)), Conv(0.9))
    assert list(leaves(layers)) == [first, second, Conv(), shortcut, third, last, Conv(0.9)]
    assert activations(layers) == [first, second, third]
    seen = []

    def activate(layer: Activation, cov: Cov) -> Cov:
        seen.append(layer)
        return cov

    plane = Offsets(2, 2, 0, 0, wrapped=False).plane(jnp.array(0))
    through(layers, Cov(jnp.ones((2, 1, 2, 1)), None), plane, True, activate)
    assert seen == activations(layers)


def test_an_unknown_activation_is_refused_when_named() -> None:
    with pytest.raises(ValueError, match="unknown activation 'rleu'"):
        Activation("rleu")
