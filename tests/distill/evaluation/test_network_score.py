"""Scores of trained networks against numpy, whatever the batches, and the largest stable learning rate."""

import jax
import numpy as np
import pytest

from kerneldistill.evaluation import network_score as module
from kerneldistill.evaluation.learning_rate import largest_stable_rate
from kerneldistill.evaluation.network_score import score_network
from kerneldistill.evaluation.network_spec import network_spec
from kerneldistill.evaluation.networks.model import model_of
from kerneldistill.evaluation.training import initial
from kerneldistill.kernels.finite_ntk import empirical_ntk
from kerneldistill.pipeline.split import Split
from tests.helpers.kernels import images

SHAPE, SPEC = (4, 4, 1), network_spec("mlp-w5-d1")
SPLIT = Split(images(21, SHAPE, np.float32), (np.arange(21) % 3).astype(np.int32))


@pytest.mark.parametrize("batch", [8, 512])
def test_scores_equal_numpy(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH", batch)
    variables = initial(SPEC, SHAPE, 3, seed=1)
    outputs = np.asarray(jax.jit(model_of(SPEC, SHAPE, 3).apply)(variables, SPLIT.images), np.float64)
    found = score_network(SPEC, variables, SPLIT, 3)
    assert found.accuracy == np.mean(outputs.argmax(1) == SPLIT.labels)
    assert found.mse == pytest.approx(0.5 * np.mean((outputs - np.eye(3)[SPLIT.labels] + 1 / 3) ** 2), rel=1e-5)
    assert found.finite


def test_what_is_not_finite_is_told() -> None:
    broken = jax.tree.map(lambda leaf: leaf * np.float32(np.nan), initial(SPEC, SHAPE, 3, seed=1))
    assert not score_network(SPEC, broken, SPLIT, 3).finite


@pytest.mark.parametrize("name", ["mlp-w5-d1", pytest.param("kip-convnet-w4-d1", marks=pytest.mark.slow)])
def test_the_largest_stable_rate_is_that_of_the_whole_kernel(name: str) -> None:
    spec = network_spec(name)
    variables, model = initial(spec, SHAPE, 3, seed=1), model_of(spec, SHAPE, 3)
    theta = jax.jit(
        lambda params: empirical_ntk(
            lambda p, x: model.apply(variables._replace(params=p), x), params, SPLIT.images, SPLIT.images, "contraction"
        )
    )(variables.params)
    of_the_sum = np.asarray(theta, np.float64).sum((1, 3)) / 3
    largest = np.linalg.eigvalsh(of_the_sum)[-1]
    assert largest_stable_rate(spec, variables, SPLIT.images, 3) == pytest.approx(2 * 21 * 3 / largest, rel=1e-3)
