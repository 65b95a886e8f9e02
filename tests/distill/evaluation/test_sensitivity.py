"""Sensitivity: against the Jacobian that jax.jacrev makes of all images at once, its unit, and right from wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerneldistill.evaluation import sensitivity as module
from kerneldistill.evaluation.network_spec import network_spec
from kerneldistill.evaluation.networks.model import Variables, model_of
from kerneldistill.evaluation.protocols import LossName
from kerneldistill.evaluation.sensitivity import sensitivity_of
from kerneldistill.evaluation.training import initial
from kerneldistill.pipeline.split import Split
from tests.helpers.evaluation_targets import CLASSES, SHAPE, split

SPEC = network_spec("mlp-w6-d1")
SPLIT = split(11, 2)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two programs' worth of images, the second not full, and some that are not looked at."""
    monkeypatch.setattr(module, "IMAGES", 9)
    monkeypatch.setattr(module, "_BATCH", 5)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_norms_are_those_of_the_jacobian(few: None, loss: LossName) -> None:
    variables, model = initial(SPEC, SHAPE, CLASSES, 3), model_of(SPEC, SHAPE, CLASSES)

    def answers(x: jax.Array) -> jax.Array:
        found = model.apply(Variables(variables.params, {}), x)
        return found if loss == "mse" else jax.nn.softmax(found)

    jacobian = np.asarray(jax.jit(jax.jacrev(answers))(SPLIT.images[:9]))
    norms = np.sqrt([np.sum(jacobian[i, :, i] ** 2) for i in range(9)])
    right = np.asarray(model.apply(variables, jnp.asarray(SPLIT.images[:9]))).argmax(1) == SPLIT.labels[:9]
    assert 0 < right.sum() < 9
    found = sensitivity_of(SPEC, variables, SPLIT, CLASSES, loss, 0.5)
    truth = norms.mean() / 2, norms[right].mean() / 2, norms[~right].mean() / 2
    assert (found.mean, found.right, found.wrong) == pytest.approx(truth, rel=1e-5)


def test_where_all_are_right_nothing_is_said_of_the_others(few: None) -> None:
    variables, model = initial(SPEC, SHAPE, CLASSES, 3), model_of(SPEC, SHAPE, CLASSES)
    said = np.asarray(model.apply(variables, jnp.asarray(SPLIT.images))).argmax(1).astype(np.int32)
    found = sensitivity_of(SPEC, variables, Split(SPLIT.images, said), CLASSES, "mse", 1.0)
    assert (found.right, found.wrong) == (found.mean, None)
    other = (said + 1) % CLASSES
    assert sensitivity_of(SPEC, variables, Split(SPLIT.images, other), CLASSES, "mse", 1.0).right is None
