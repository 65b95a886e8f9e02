"""Judging: the choice on validation, the test split read once and by the choice alone, resuming, and the baselines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.algorithms.support import Support
from kerneldistill.evaluation import trained_networks as module
from kerneldistill.evaluation.augmentation import Augmentation
from kerneldistill.evaluation.dd_ranking import augmentation_robust_score
from kerneldistill.evaluation.evaluation_target import EvaluationTarget
from kerneldistill.evaluation.network_score import NetworkScore
from kerneldistill.evaluation.network_spec import network_spec
from kerneldistill.evaluation.protocols import Protocol, Recipe
from kerneldistill.evaluation.published import published_whole_train
from kerneldistill.evaluation.score_cache import ScoreCache
from kerneldistill.evaluation.trained_networks import NetworkEvaluation, labels_for
from kerneldistill.pipeline.split import Split
from tests.helpers.evaluation_targets import target

RECIPE = Recipe("mse", "momentum", "cosine", batch=100, steps=((1, 30),))
# With a rate of 1e-9 nothing is learned: the other must be chosen.
PROTOCOL = Protocol("tiny", "a test", RECIPE, "mlp-w6-d1", (1e-9, 0.1), (0.0,))
SPEC = network_spec(PROTOCOL.network)


def evaluation_of(
    folder: Path, what: EvaluationTarget | None = None, protocol: Protocol = PROTOCOL
) -> NetworkEvaluation:
    return NetworkEvaluation(what or target(), ScoreCache(folder), protocol, SPEC, ScoreCache(folder / "shared"))


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[Split]:
    """The splits that networks were scored on, in order."""
    splits: list[Split] = []
    own = module.score_network

    def recorder(spec, variables, split: Split, outputs: int) -> NetworkScore:
        splits.append(split)
        return own(spec, variables, split, outputs)

    monkeypatch.setattr(module, "score_network", recorder)
    return splits


def test_the_better_of_the_grid_is_tested_and_nothing_else(tmp_path: Path, scored: list[Split]) -> None:
    what = target()
    result = evaluation_of(tmp_path, what).result(range(2), measure_whole=False)
    assert (result.learned.learning_rate, result.random_real.learning_rate) == (0.1, 0.1)
    assert result.learned.mean > 0.6
    # Two points of the grid and two seeds, for the set and for random real images.
    assert [split is what.test for split in scored] == [False, False, True, True] * 2
    assert all(split is what.validation for split in scored if split is not what.test)
    assert result.seeds == (0, 1)
    assert result.ior == result.learned.mean - result.random_real.mean
    assert (result.hard, result.whole_train, result.hlr) == (None, None, None)
    assert all(score.mse is not None for score in result.learned.scores)
    assert result.learned.choosing_seconds > 0
    assert result.seconds == result.learned.seconds + result.random_real.seconds


def test_an_evaluation_that_was_stopped_goes_on(tmp_path: Path, scored: list[Split], monkeypatch) -> None:
    whole = evaluation_of(tmp_path / "whole").result(range(2), measure_whole=False)
    scored.clear()
    trained = module.train

    def stopped(*given):
        if len(scored) == 3:
            raise KeyboardInterrupt
        return trained(*given)

    monkeypatch.setattr(module, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        evaluation_of(tmp_path / "parts").result(range(2), measure_whole=False)
    monkeypatch.setattr(module, "train", trained)
    resumed = evaluation_of(tmp_path / "parts").result(range(2), measure_whole=False)
    assert len(scored) == 8
    assert resumed.learned.accuracies == whole.learned.accuracies
    assert resumed.random_real.accuracies == whole.random_real.accuracies
    evaluation_of(tmp_path / "parts").result(range(3), measure_whole=False)
    assert len(scored) == 10  # a seed more: one network for each kind of set


def test_random_images_are_other_ones_for_each_seed(tmp_path: Path) -> None:
    what = target()
    first, again, second = (what.random_real(seed) for seed in (0, 0, 1))
    assert np.array_equal(first.images, again.images)
    assert not np.array_equal(first.images, second.images)
    assert np.array_equal(first.labels.argmax(1), [0, 1, 2])


def test_soft_labels_are_tested_hard_too(tmp_path: Path) -> None:
    what = target()
    soft = Support(what.support.images, what.support.labels * 0.5 + 0.01)
    result = evaluation_of(tmp_path, what._replace(support=soft)).result(range(1), measure_whole=True)
    assert result.hard is not None
    assert result.hlr == result.whole_train.accuracy - result.hard.mean
    assert result.whole_train.source == "measured by tiny, one seed, learning rate and decay not chosen"
    assert result.support_sha256 != what.digest


def test_a_loss_that_softens_labels_has_a_hard_twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[str] = []
    trained = module.train

    def recorder(spec, recipe: Recipe, replicas, watch):
        losses.append(recipe.loss)
        return trained(spec, recipe, replicas, watch)

    monkeypatch.setattr(module, "train", recorder)
    protocol = replace(PROTOCOL, recipe=replace(RECIPE, loss="soft_cross_entropy"), learning_rates=(0.1,))
    result = evaluation_of(tmp_path, protocol=protocol).result(range(1), measure_whole=True)
    assert losses == ["soft_cross_entropy", "cross_entropy", "soft_cross_entropy", "cross_entropy"]
    assert result.hlr == result.whole_train.accuracy - result.hard.mean
    assert result.learned.scores[0].mse is None


def test_a_whole_train_split_is_measured_once_for_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluation_of(tmp_path / "first")
    assert first.result(range(1)).whole_train is None
    whole = first.result(range(1), measure_whole=True).whole_train
    other = replace(evaluation_of(tmp_path / "second"), shared=first.shared)
    assert other.result(range(1)).whole_train == whole
    # Of other data it is another one.
    space = target()._replace(space="0" * 64)
    assert replace(other, target=space).result(range(1)).whole_train is None


def test_a_protocol_may_judge_with_and_without_its_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes: list[Augmentation | None] = []
    trained = module.train

    def recorder(spec, recipe: Recipe, replicas, watch):
        changes.append(recipe.augmentation)
        return trained(spec, replace(recipe, augmentation=None), replicas, watch)

    monkeypatch.setattr(module, "train", recorder)
    protocol = replace(PROTOCOL, learning_rates=(0.1,), toggles=True)
    plain = evaluation_of(tmp_path, protocol=protocol).result(range(1))
    assert [change is not None for change in changes] == [False, False, True, True]
    assert plain.toggled is not None
    assert plain.toggled.augmented
    assert plain.ars == augmentation_robust_score(plain.learned, plain.random_real, plain.toggled)
    assert plain.seconds > plain.learned.seconds + plain.random_real.seconds
    own = replace(protocol, recipe=replace(RECIPE, augmentation=changes[-1]))
    augmented = evaluation_of(tmp_path / "own", protocol=own).result(range(1))
    assert augmented.toggled is not None
    assert not augmented.toggled.augmented


def test_without_a_validation_split_the_first_of_the_grid_is_taken(tmp_path: Path, scored: list[Split]) -> None:
    what = target()
    none = Split(what.validation.images[:0], what.validation.labels[:0])
    result = evaluation_of(tmp_path, what._replace(validation=none)).result(range(1), measure_whole=False)
    assert (result.learned.learning_rate, result.learned.validation_accuracy) == (1e-9, None)
    assert all(split is what.test for split in scored)


def test_relative_rates_are_scaled_by_each_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "largest_stable_rate", lambda spec, variables, images, outputs: 0.25)
    monkeypatch.setattr(module, "initial", lambda *given: None)
    protocol = replace(PROTOCOL, recipe=replace(RECIPE, relative=True), learning_rates=(0.5,))
    result = evaluation_of(tmp_path, protocol=protocol).result(range(1), measure_whole=False)
    assert result.learned.learning_rate == 0.5
    assert result.learned.scores[0].learning_rate == 0.125


def test_what_diverges_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    protocol = replace(PROTOCOL, learning_rates=(1e30,))
    result = evaluation_of(tmp_path, protocol=protocol).result(range(1), measure_whole=False)
    assert result.learned.scores[0].mse is None
    assert "did not stay finite" in caplog.text


def test_labels_for_each_loss() -> None:
    labels = np.array([[0.7, -0.4, 0.1], [-0.2, 0.0, 0.3]])
    assert np.array_equal(labels_for("mse", labels), labels.astype(np.float32))
    assert np.array_equal(labels_for("cross_entropy", labels), [[1, 0, 0], [0, 0, 1]])
    soft = np.exp(labels) / np.exp(labels).sum(1, keepdims=True)
    np.testing.assert_allclose(labels_for("soft_cross_entropy", labels), soft, rtol=1e-6)


def test_published_figures_are_of_one_network_alone() -> None:
    assert published_whole_train("cifar10", network_spec("convnet-instance")).accuracy == 0.848
    for name in ("convnet", "convnet-instance-w32", "resnet18"):
        assert published_whole_train("cifar10", network_spec(name)) is None
    assert published_whole_train("digits", network_spec("convnet-instance")) is None
