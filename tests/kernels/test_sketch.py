"""Sketched features are right in the mean, their error falls with their size, and they can be differentiated."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kerneldistill.kernels.activations import dual_of
from kerneldistill.kernels.activations.hermite import Hermite
from kerneldistill.kernels.architectures import conv_net, fc_net
from kerneldistill.kernels.gram_matrix import gram
from kerneldistill.kernels.layers import Activation, Dense, Flatten
from kerneldistill.kernels.names import KernelKind
from kerneldistill.kernels.network import Network
from kerneldistill.kernels.sketch import FcSketch
from tests.helpers.kernels import images

SHAPE = (3, 3, 1)
DEGREE = 6
# Of images with something in common, as images have.
X = images(6, SHAPE) + images(1, SHAPE, seed=9)


def network_of(activation: str, depth: int) -> Network:
    layers = [layer for _ in range(depth) for layer in (Dense(1.3, 0.2), Activation(activation))]
    return Network((Flatten(), *layers, Dense(1.1, 0.1)))


def truncated(network: Network) -> Network:
    """With the expansion of each activation in its place: what a sketch is of, but for its noise."""
    layers = (
        Activation(Hermite(dual_of(layer.function).apply, DEGREE)) if isinstance(layer, Activation) else layer
        for layer in network.layers
    )
    return Network(tuple(layers))


@cache
def estimates(activation: str, depth: int, kind: KernelKind, size: int, count: int) -> np.ndarray:
    """Kernels [count, n, n] of so many seeds."""
    network = network_of(activation, depth)
    found = jax.jit(partial(lax.map, lambda seed: FcSketch(network, kind, size, DEGREE, seed)(X)))(jnp.arange(count))
    return np.einsum("kid,kjd->kij", found, found)


def relative(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


@pytest.mark.parametrize(
    ("activation", "depth", "kind"),
    [
        ("relu", 2, "ntk"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("relu", 1, "nngp"), ("erf", 2, "ntk"), ("gelu", 1, "nngp"))
        ),
    ],
)
def test_the_mean_over_seeds_is_the_kernel_of_the_truncated_expansion(
    activation: str, depth: int, kind: KernelKind
) -> None:
    truth = np.asarray(gram(truncated(network_of(activation, depth)), X, X, kind))
    found = estimates(activation, depth, kind, 128, 96)
    each = [relative(one, truth) for one in found]
    # 96 draws leave a tenth to a fifth of the noise of one, whose entries move together; an error would stay.
    assert relative(found.mean(0), truth) < 0.3 * np.mean(each)
    assert np.mean(each) < 0.4


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nngp", "ntk"])
def test_the_error_falls_as_the_root_of_the_size(kind: KernelKind) -> None:
    truth = np.asarray(gram(truncated(network_of("relu", 2)), X, X, kind))
    small, large = (
        np.mean([relative(one, truth) for one in estimates("relu", 2, kind, size, 16)]) for size in (128, 2048)
    )
    assert 0.15 * small < large < 0.4 * small


def test_the_truncation_is_small_beside_the_noise_of_thousands_of_features() -> None:
    exact, cut = (np.asarray(gram(own, X, X)) for own in (network_of("relu", 2), truncated(network_of("relu", 2))))
    assert 1e-6 < relative(cut, exact) < 0.02


def test_features_can_be_differentiated() -> None:
    phi = FcSketch(network_of("relu", 1), "ntk", 16, 3)
    x, direction = jnp.asarray(X[:2]), jnp.asarray(images(2, SHAPE, seed=3))
    weight = np.random.default_rng(0).standard_normal(phi(x).shape)
    value = jax.jit(lambda images: jnp.sum(weight * phi(images)))
    slope = float(jnp.vdot(jax.grad(value)(x), direction))
    step = 1e-5
    difference = float(value(x + step * direction) - value(x - step * direction)) / (2 * step)
    assert slope == pytest.approx(difference, rel=1e-6)


def test_a_seed_and_the_shapes_say_all() -> None:
    network = network_of("relu", 1)
    first, again, other = (np.asarray(FcSketch(network, "ntk", 64, DEGREE, seed)(X)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
    assert FcSketch(network, "nngp", 64, DEGREE)(X).shape == (6, 64 + 1)
    assert first.shape[1] == 2 * 64 + 1
    assert FcSketch(network, "ntk", 64, DEGREE)(X.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FcSketch(conv_net(1)), "a sketch is of Flatten, Dense and Activation layers"),
        (lambda: FcSketch(fc_net(1).standard(8)), "NTK parameterisation"),
        (lambda: FcSketch(fc_net(1), size=0), "size and degree must be >= 1"),
    ],
)
def test_what_it_cannot_do_it_refuses(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
