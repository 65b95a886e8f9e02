"""Networks linearised at their first weights: against least squares in the weights, and what is kept."""

from pathlib import Path

import jax
import numpy as np
import pytest

from kerneldistill.evaluation.linear_networks import LinearEvaluation
from kerneldistill.evaluation.network_spec import network_spec
from kerneldistill.evaluation.networks.model import Variables, model_of
from kerneldistill.evaluation.score_cache import ScoreCache
from kerneldistill.evaluation.training import initial
from tests.helpers.evaluation_targets import CLASSES, SHAPE, target

SPEC = network_spec("mlp-w6-d1")


def jacobians(images: np.ndarray, seed: int) -> np.ndarray:
    """Of every output by the weights, [n, k, P]."""
    variables, model = initial(SPEC, SHAPE, CLASSES, seed), model_of(SPEC, SHAPE, CLASSES)
    of_params = jax.jit(jax.jacrev(lambda p, x: model.apply(Variables(p, {}), x)))
    leaves = jax.tree.leaves(of_params(variables.params, images.astype(np.float32)))
    return np.concatenate([np.asarray(leaf, np.float64).reshape(len(images), CLASSES, -1) for leaf in leaves], 2)


def test_predictions_are_those_of_ridge_regression_by_gradients(tmp_path: Path) -> None:
    """By the primal form: one vector of weights for each class, features the gradients of all outputs."""
    what = target(ridge=1e-2)
    features, tested = (
        jacobians(images, 5).reshape(len(images), -1) / np.sqrt(CLASSES)
        for images in (what.support.images, what.test.images)
    )
    penalty = 1e-2 * np.mean(np.sum(features**2, axis=1))
    weights = np.linalg.solve(
        features.T @ features + penalty * np.eye(features.shape[1]), features.T @ what.support.labels
    )
    found = LinearEvaluation(what, ScoreCache(tmp_path), SPEC).result([5])
    predicted = tested @ weights
    assert found.learned.scores[0].accuracy == np.mean(predicted.argmax(1) == what.test.labels)
    labels = np.eye(CLASSES)[what.test.labels] - 1 / CLASSES
    assert found.learned.scores[0].mse == pytest.approx(0.5 * np.mean((predicted - labels) ** 2), rel=1e-4)


def test_every_seed_has_weights_and_random_images_of_its_own(tmp_path: Path) -> None:
    found = LinearEvaluation(target(), ScoreCache(tmp_path), SPEC).result(range(3))
    assert (found.protocol, found.network, found.seeds) == ("linear", "mlp-w6-d1", (0, 1, 2))
    assert len({score.mse for score in found.learned.scores}) == 3
    assert found.ior == found.learned.mean - found.random_real.mean
    again = LinearEvaluation(target(), ScoreCache(tmp_path), SPEC).result(range(3))
    assert again == found
