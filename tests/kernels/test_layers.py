"""What layers do to covariances, one by one, and what nested layers make of the order of things."""

import jax.numpy as jnp
import numpy as np
import pytest

from kerneldistill.kernels.activations.dual import Factors
from kerneldistill.kernels.architectures import fc_net
from kerneldistill.kernels.bands import WHOLE_IMAGES
from kerneldistill.kernels.blocks import block
from kerneldistill.kernels.image_features import features
from kerneldistill.kernels.layers import Activation, Conv, Dense, Flatten, Residual
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import Pairs, leaves, propagate
from kerneldistill.kernels.network import Network
from kerneldistill.kernels.offsets import Offsets


def no_factors(path: str, cov: Cov) -> tuple[Factors, Factors]:
    raise AssertionError(f"{path} is no activation")


WHOLE = Pairs(True, lambda _: WHOLE_IMAGES, no_factors)
NNGP, NTK = jnp.full((2, 3), 0.5), jnp.full((2, 3), 0.25)


def test_dense_in_both_parameterisations() -> None:
    ntk = Dense(2.0, 0.5).cov(Cov(NNGP, NTK), WHOLE, "0")
    np.testing.assert_allclose(ntk.nngp, 4 * 0.5 + 0.25)
    np.testing.assert_allclose(ntk.ntk, 2.25 + 4 * 0.25)
    standard = Dense(2.0, 0.5, fan_in=7).cov(Cov(NNGP, NTK), WHOLE, "0")
    np.testing.assert_array_equal(standard.nngp, ntk.nngp)
    np.testing.assert_allclose(standard.ntk, 7 * 0.5 + 1 + 4 * 0.25)
    np.testing.assert_allclose(Dense(2.0, 0.0, fan_in=7).cov(Cov(NNGP, None), WHOLE, "0").ntk, 7 * 0.5)


@pytest.mark.parametrize("fan_in", [None, 18])
def test_conv_of_a_constant_image(fan_in: int | None) -> None:
    # 3 x 4 pixels, offset zero, one pair: four neighbours and itself at a corner are 4 of 9.
    plane = Offsets(3, 4, 0, 0, wrapped=False).plane(jnp.array(0))
    layer = Conv(3.0, 0.5, fan_in)
    given = Cov(jnp.ones((3, 1, 4, 1)), jnp.full((3, 1, 4, 1), 2.0))
    found = layer.cov(given, Pairs(True, lambda _: plane, no_factors), "0")
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


def test_activations_are_paired_with_their_factors_by_path() -> None:
    first, second, third = (Activation(name) for name in ("relu", "erf", "gelu"))
    shortcut, last = Conv(0.5), Conv(0.7)
    block = Residual((Residual((second, Conv()), shortcut), third, last))
    network = Network((Conv(0.1), first, Conv(), block, Conv(0.9), Flatten()))
    truth = {
        **{"0": Conv(0.1), "1": first, "2": Conv()},
        **{"3.branch.0.branch.0": second, "3.branch.0.branch.1": Conv(), "3.branch.0.shortcut": shortcut},
        **{"3.branch.1": third, "3.branch.2": last, "4": Conv(0.9), "5": Flatten()},
    }
    assert leaves(network.named) == truth
    assert network.activations == {path: leaf for path, leaf in truth.items() if isinstance(leaf, Activation)}
    seen = []

    def factors(path: str, cov: Cov) -> tuple[Factors, Factors]:
        seen.append(path)
        own = network.activations[path].factors(jnp.ones((2, 1, 2, 1)))
        return own, own

    plane = Offsets(2, 2, 0, 0, wrapped=False).plane(jnp.array(0))
    layers = dict(list(network.named.items())[:-1])
    propagate(layers, Cov(jnp.ones((2, 1, 2, 1)), None), Pairs(True, lambda _: plane, factors))
    assert seen == list(network.activations)


def test_stored_deviations_of_another_order_fail() -> None:
    network = fc_net(2)
    own = features(network, jnp.ones((2, 2, 2, 1)))
    wrong = own._replace(stds={"1": own.stds["2"], "3": own.stds["4"]})
    with pytest.raises(KeyError, match="2"):
        block(network, "ntk", wrong, own)


def test_an_unknown_activation_is_refused_when_named() -> None:
    with pytest.raises(ValueError, match="unknown activation 'rleu'"):
        Activation("rleu")
