"""The fast kernels against their definition, in float64: every layer, head, parameterisation, odd size."""

import numpy as np
import pytest

from kerneldistill.kernels.architectures import fc_net
from tests.helpers.kernels import both_kernels, images
from tests.helpers.networks import CASES
from tests.helpers.reference import integrated_dual, reference_kernel
from tests.helpers.tolerance import FORWARD, assert_close

LONG = ("attention, ", "even filters, ")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * name.startswith(LONG)) for name in CASES]
)
def test_kernels_are_those_of_the_definition(name: str) -> None:
    network, shape = CASES[name]
    x = images(3, shape)
    x[2, :2, :2] = 0.0  # without a bias, pixels of no variance
    nngp, ntk = reference_kernel(network, x[:2], x)
    found = both_kernels(network, x[:2], x)
    assert_close(found[0], nngp, FORWARD["float64"])
    assert_close(found[1], ntk, FORWARD["float64"])


def test_a_single_hidden_layer_by_hand() -> None:
    # K = <x, x'>/2 W^2 + b^2, then the arc-cosine kernels at 60 degrees: x = (1, 0), x' = (1/2, sqrt(3)/2).
    x = np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]]).reshape(2, 1, 1, 2)
    nngp, ntk = reference_kernel(fc_net(1, W_std=np.sqrt(2), b_std=0.0), x[:1], x)
    k1 = (np.sin(np.pi / 3) + (2 * np.pi / 3) * 0.5) / (2 * np.pi)
    np.testing.assert_allclose(nngp, [[1.0, 2 * k1]], rtol=1e-14)
    np.testing.assert_allclose(ntk, [[2.0, 2 * k1 + 2 * 0.5 / 3]], rtol=1e-14)


def test_integration_in_the_plane_is_exact_for_polynomials() -> None:
    # E[u^2 v^2] = s^2 s'^2 + 2 k^2 and E[2u 2v] = 4 k.
    np.testing.assert_allclose(integrated_dual(lambda u: u * u, 0.3, 1.5, 0.7), (1.5 * 0.7 + 2 * 0.09, 1.2), rtol=1e-12)
