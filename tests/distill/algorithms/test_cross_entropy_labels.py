"""Labels by cross-entropy: they are its minimum, and classify better than least squares where those are masked."""

import numpy as np
import pytest
from scipy.special import log_softmax

from kerneldistill.algorithms.cross_entropy_labels import cross_entropy_labels
from kerneldistill.algorithms.label_solve import designs_of, label_solve
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import regressed
from tests.helpers.tiny_run import problem_of, with_steps


@pytest.mark.parametrize("flip", [False, True])
def test_no_labels_near_them_have_less_cross_entropy(flip):
    problem = problem_of(with_steps(1))
    images, ridge = problem.start.images, 1e-6
    found = cross_entropy_labels(problem.train.engine, images, problem.train, ridge, flip)
    assert np.abs(found.labels.sum(1)).max() < 1e-9  # centred

    def predictions(labels: np.ndarray) -> np.ndarray:
        source = regressed(found, flip).images
        chunks = designs_of(problem.train.engine, source, problem.train, ridge, len(images))[1]
        return np.concatenate([design for pieces in chunks for design, _ in pieces]) @ labels

    given = centred_one_hot(problem.train.split.labels, 3) + 1 / 3

    def loss(labels: np.ndarray, scale: float) -> float:
        return -float(np.mean(np.sum(given * log_softmax(scale * predictions(labels), axis=1), axis=1)))

    scales = np.geomspace(0.3, 300, 60)
    scale = min(scales, key=lambda s: loss(found.labels, s))
    rng = np.random.default_rng(0)
    for size in (1e-2, 1e-1):
        other = found.labels + size * np.abs(found.labels).mean() * rng.normal(size=found.labels.shape)
        assert min(loss(other, s) for s in scales) > loss(found.labels, scale) - 1e-4


def test_they_have_the_scale_of_centred_labels():
    problem = problem_of(with_steps(1))
    solved = label_solve(problem.train.engine, problem.start.images, problem.train, 1e-6)
    found = cross_entropy_labels(problem.train.engine, problem.start.images, problem.train, 1e-6)
    scores = [evaluate(problem.engine, support, problem.train, 1e-6) for support in (solved, found)]
    assert scores[1].mse < 0.5 * np.mean(
        centred_one_hot(problem.train.split.labels, 3) ** 2
    )  # better than to predict nothing
    assert scores[0].mse <= scores[1].mse  # the least there is
    assert scores[1].accuracy >= scores[0].accuracy - 0.05
