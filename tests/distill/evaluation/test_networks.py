"""Networks in flax: sizes known from their sources, torch's draw, and the ConvNet against plain numpy."""

from math import prod, sqrt

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kerneldistill.errors import UserError
from kerneldistill.evaluation.network_spec import network_spec
from kerneldistill.evaluation.networks.model import Model, Variables, model_of
from tests.helpers.kernels import images


def model(name: str, shape: tuple[int, int, int] = (8, 8, 2), outputs: int = 3) -> Model:
    return model_of(network_spec(name), shape, outputs)


def shapes(name: str, shape: tuple[int, int, int], outputs: int) -> Variables:
    return jax.eval_shape(model(name, shape, outputs).init, jax.random.key(0))


@pytest.mark.parametrize(
    ("name", "shape", "outputs", "parameters"),
    [
        # DC's ConvNet and MLP, and ResNet-18 of pytorch-cifar, as torch counts them for CIFAR-10.
        ("convnet-instance", (32, 32, 3), 10, 320_010),
        ("mlp", (32, 32, 3), 10, 411_146),
        ("resnet18", (32, 32, 3), 10, 11_173_962),
        # DC's AlexNet and VGG-11 as torch counts them, DeiT-Ti with 64 patches of 4x4 and ten classes.
        ("alexnet", (32, 32, 3), 10, 9728 + 614_592 + 442_624 + 442_560 + 331_968 + 30_730),
        ("vgg11", (32, 32, 3), 10, 9_231_114),
        ("vgg11", (28, 28, 1), 10, 9_231_114 - 9 * 2 * 64),
        ("vit", (32, 32, 3), 10, 12 * 444_864 + 384 + 9408 + 192 + 65 * 192 + 1930),
        # 28x28 are padded to 32x32: the head has 4 x 4 pixels, not 3 x 3.
        ("convnet-instance", (28, 28, 1), 10, 317_706),
        ("frepo-convnet", (28, 28, 1), 10, 1280 + 295_168 + 1_180_160 + 81_930),
        # One convolution more than the three blocks.
        ("kip-convnet-w4", (8, 8, 1), 3, 40 + 3 * 148 + 15),
        # Four stages of two blocks of two convolutions, a 1x1 shortcut in three of them; images of any size.
        ("kip-resnet18-w4", (3, 5, 1), 3, 40 + 16 * 148 + 3 * 20 + 15),
        # Patches of 4x4 with positions of the four; keys, values and outputs; a perceptron; no weights in norms.
        ("kip-vit-w4-d1", (8, 9, 1), 3, 68 + 16 + (16 + 16 + 20) + 2 * 20 + 15),
    ],
)
def test_sizes_are_those_of_the_sources(name: str, shape: tuple, outputs: int, parameters: int) -> None:
    params = shapes(name, shape, outputs).params
    assert sum(prod(leaf.shape) for leaf in jax.tree.leaves(params)) == parameters


def test_small_images_are_refused() -> None:
    with pytest.raises(UserError, match="name convnet-d2 instead"):
        model("convnet", (4, 4, 1))


def test_weights_are_drawn_as_torch_draws_them() -> None:
    params = jax.jit(model("mlp-w300-d1").init)(jax.random.key(0)).params["Dense_0"]
    bound = 1 / sqrt(8 * 8 * 2)
    for leaf in (params["kernel"], params["bias"]):
        assert np.abs(leaf).max() <= bound
        assert np.std(leaf) == pytest.approx(bound / sqrt(3), rel=0.1)


def directly(params: dict, x: np.ndarray, kind: str) -> np.ndarray:
    """A ConvNet of one block, in numpy and float64."""
    conv, dense = params["Conv_0"], params["Dense_0"]
    kernel = np.asarray(conv["kernel"], np.float64)
    framed = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    h, w = x.shape[1:3]
    y = sum(framed[:, i : i + h, j : j + w] @ kernel[i, j] for i, j in np.ndindex(3, 3)) + np.asarray(conv["bias"])
    if kind != "none":
        axes = {"instance": (1, 2), "layer": (1, 2, 3), "batch": (0, 1, 2)}[kind]
        y = (y - y.mean(axes, keepdims=True)) / np.sqrt(y.var(axes, keepdims=True) + 1e-5)
        learned = params[{"instance": "GroupNorm_0", "layer": "LayerNorm_0", "batch": "BatchNorm_0"}[kind]]
        y = y * np.asarray(learned["scale"], np.float64) + np.asarray(learned["bias"], np.float64)
    y = np.maximum(y, 0)[:, : h // 2 * 2, : w // 2 * 2].reshape(len(x), h // 2, 2, w // 2, 2, -1).mean((2, 4))
    return y.reshape(len(x), -1) @ np.asarray(dense["kernel"], np.float64) + np.asarray(dense["bias"], np.float64)


@pytest.mark.parametrize(
    "kind", [*(pytest.param(kind, marks=pytest.mark.slow) for kind in ("none", "layer")), "instance", "batch"]
)
def test_a_convnet_equals_numpy(kind: str) -> None:
    made = model(f"convnet-{kind}-w4-d1", (5, 4, 2))
    variables = jax.jit(made.init)(jax.random.key(1))
    # Scales and shifts other than 1 and 0, so that leaving them out could not pass.
    leaves, structure = jax.tree.flatten(variables.params)
    rng = np.random.default_rng(0)
    params = structure.unflatten([leaf + 0.3 * rng.standard_normal(leaf.shape).astype(np.float32) for leaf in leaves])
    x = images(6, (5, 4, 2), np.float32)
    found, stats = jax.jit(made.train)(Variables(params, variables.stats), x)
    np.testing.assert_allclose(found, directly(params, x.astype(np.float64), kind), rtol=1e-4, atol=1e-5)
    assert bool(jax.tree.leaves(stats)) == (kind == "batch")


def test_batch_norm_learns_running_means_in_training_alone() -> None:
    made = model("convnet-batch-w4-d1", (4, 4, 1))
    variables = jax.jit(made.init)(jax.random.key(0))
    x = images(6, (4, 4, 1), np.float32) + np.float32(3)
    stats = variables.stats
    train = jax.jit(made.train)
    for _ in range(200):
        outputs, stats = train(Variables(variables.params, stats), x)
    # After many passes over one batch its own means are the running ones.
    np.testing.assert_allclose(
        jax.jit(made.apply)(Variables(variables.params, stats), x), outputs, rtol=1e-3, atol=1e-4
    )
    before = jax.jit(made.apply)(variables, x)
    assert np.abs(np.asarray(before) - np.asarray(outputs)).max() > 0.1


@pytest.mark.usefixtures("optax_may_promote")
@pytest.mark.parametrize(
    "name", ["alexnet-batch-w4", *(pytest.param(name, marks=pytest.mark.slow) for name in ("vgg11-w2", "vit-w8-d2"))]
)
def test_a_judge_learns_four_images_by_heart(name: str) -> None:
    size = 32 if name.startswith("vgg") else 8
    made, x = model(name, (size, size, 1), 4), images(4, (size, size, 1), np.float32)
    variables = jax.jit(made.init)(jax.random.key(0))

    def cost(params: dict, stats: dict) -> tuple[jax.Array, tuple[jax.Array, dict]]:
        outputs, stats = made.train(Variables(params, stats), x)
        return jnp.mean(optax.softmax_cross_entropy(outputs, jnp.eye(4, dtype=jnp.float32))), (outputs, stats)

    gradient, own = jax.jit(jax.value_and_grad(cost, has_aux=True)), optax.adam(1e-2)
    params, stats = variables
    state = own.init(params)
    for _ in range(60):
        (_, (outputs, stats)), change = gradient(params, stats)
        updates, state = own.update(change, state)
        params = optax.apply_updates(params, updates)
    assert np.array_equal(outputs.argmax(1), np.arange(4))


def test_a_transformer_sees_where_a_patch_is() -> None:
    made, x = model("vit-w8-d1", (8, 8, 1)), images(1, (8, 8, 1), np.float32)
    variables = jax.jit(made.init)(jax.random.key(0))
    moved = np.roll(x, 4, axis=1)
    apply = jax.jit(made.apply)
    assert np.abs(np.asarray(apply(variables, x)) - np.asarray(apply(variables, moved))).max() > 0
    # Without positions the patches are a set.
    flat = Variables({**variables.params, "positions": 0 * variables.params["positions"]}, {})
    np.testing.assert_allclose(apply(flat, x), apply(flat, moved), atol=1e-6)


@pytest.mark.parametrize("kind", ["batch", "instance"])
def test_a_resnet_has_outputs_for_every_image_apart(kind: str) -> None:
    made = model(f"resnet18-{kind}-w2", (8, 8, 1))
    assert jax.eval_shape(
        made.apply, shapes(f"resnet18-{kind}-w2", (8, 8, 1), 3), images(5, (8, 8, 1), np.float32)
    ).shape == (5, 3)
