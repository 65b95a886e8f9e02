"""Our scores, losses, changes, training and exported folder beside those of DD-Ranking's own package, ddranking 0.2.0.

It needs numpy 1 and torch: an environment of its own, whose interpreter KERNELDISTILL_DDRANKING names.
"""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from numpy.typing import ArrayLike

from kerneldistill.algorithms.augmentations import AUGMENTATIONS, DSA
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.bundle.formats.export_source import ExportSource
from kerneldistill.bundle.formats.registry import FORMATS
from kerneldistill.bundle.reader import read_bundle
from kerneldistill.bundle.writer import write_bundle
from kerneldistill.evaluation.dd_ranking import (
    augmentation_robust_score,
    hard_label_recovery,
    improvement_over_random,
    label_robust_score,
)
from kerneldistill.evaluation.network_score import score_network
from kerneldistill.evaluation.network_spec import network_spec
from kerneldistill.evaluation.networks.model import model_of
from kerneldistill.evaluation.protocol_result import Toggled, WholeTrain
from kerneldistill.evaluation.protocols import PROTOCOLS, Protocol, Recipe
from kerneldistill.evaluation.trained_networks import labels_for
from kerneldistill.evaluation.training import Replicas, initial, loss_of, train
from kerneldistill.pipeline.split import Split
from tests.helpers.bundles import fitted, make_contents, make_source
from tests.helpers.digits_arrays import digits_arrays
from tests.helpers.protocol_results import trained

VARIABLE = "KERNELDISTILL_DDRANKING"
PEER = Path(__file__).parents[2] / "helpers" / "dd_ranking_peer.py"
SPEC = network_spec("convnet-instance")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("optax_may_promote")]

Peer = Callable[..., dict[str, np.ndarray]]


@pytest.fixture
def peer(tmp_path: Path) -> Peer:
    """Ask the package: the arrays that a task of `dd_ranking_peer` makes of arrays."""
    python = os.environ.get(VARIABLE, "")
    if not python:
        pytest.skip(f"{VARIABLE} names no interpreter of an environment with: pip install ddranking==0.2.0")

    def ask(task: str, **given: ArrayLike) -> dict[str, np.ndarray]:
        np.savez(tmp_path / "in.npz", **{name: np.asarray(value) for name, value in given.items()})
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [python, str(PEER), task, str(tmp_path / "in.npz"), str(tmp_path / "out.npz")]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert not done.returncode, done.stderr[-3000:]
        return dict(np.load(tmp_path / "out.npz"))

    return ask


def nchw(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def coloured_digits() -> tuple[Split, Split]:
    """Digits in three channels of different strength, in deviations: 600 to train and 200 to test."""
    found = digits_arrays()
    tint = np.array([1.0, 0.7, 0.4])

    def made(images: np.ndarray, labels: np.ndarray) -> Split:
        pixels = images[..., None] / 255 * tint
        return Split(pixels.astype(np.float32), labels.astype(np.int32))

    splits = made(found.images, found.labels), made(found.test_images, found.test_labels)
    mean, deviation = splits[0].images.mean(), splits[0].images.std()
    return tuple(replace(split, images=(split.images - mean) / deviation) for split in splits)


def test_scores_of_the_same_accuracies(peer: Peer) -> None:
    learned, hard, other = (0.61, 0.66, 0.5), (0.55, 0.6, 0.41), (0.42, 0.37, 0.47)
    toggled = Toggled(trained(0.58, 0.52, 0.6), trained(0.3, 0.41, 0.36), augmented=False)
    theirs = peer(
        "scores",
        learned=learned,
        hard=hard,
        random=other,
        whole=0.85,
        learned_toggled=toggled.learned.accuracies,
        random_toggled=toggled.random_real.accuracies,
    )
    sets, whole = (trained(*learned), trained(*other)), WholeTrain(0.85, "x")
    for name, judged in (("soft", hard), ("hard", learned)):
        found = {
            "improvement_over_random_mean": improvement_over_random(*sets),
            "hard_label_recovery_mean": hard_label_recovery(trained(*judged), whole),
            "label_robust_score_mean": label_robust_score(*sets, trained(*judged), whole),
        }
        for key, value in found.items():
            assert value == pytest.approx(float(theirs[f"{name}_{key}"]), rel=1e-12)
    assert augmentation_robust_score(*sets, toggled) == pytest.approx(
        float(theirs["augmentation_robust_score_mean"]), rel=1e-12
    )


def test_losses_of_the_same_outputs(peer: Peer) -> None:
    rng = np.random.default_rng(0)
    outputs, labels = rng.normal(size=(2, 7, 6)).astype(np.float32)
    theirs = peer("losses", outputs=outputs, labels=labels)
    for name, loss in (("soft", "soft_cross_entropy"), ("hard", "cross_entropy")):
        own = loss_of(loss, outputs, labels_for(loss, labels))
        np.testing.assert_allclose(own, theirs[name], rtol=2e-6)


def test_changes_by_the_same_draws(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, count = np.random.default_rng(1), 40
    images = rng.normal(size=(count, 12, 12, 3)).astype(np.float32)
    draws = rng.uniform(size=(3, count)).astype(np.float32)
    theirs = peer("changes", images=nchw(images), draws=draws)
    for name, change in AUGMENTATIONS.items():
        # Its first draw is of the width where ours is of the height; it turns the other way round.
        order = {"scale": draws[[1, 0]], "rotate": 1 - draws}.get(name, draws)
        for image, own, expected in zip(images, order.T, theirs[name], strict=True):
            with monkeypatch.context() as patched:
                _tell(patched, own)
                made = change(DSA, jax.random.key(0), image)
            np.testing.assert_allclose(np.moveaxis(np.asarray(made), -1, 0), expected, atol=2e-5, err_msg=name)


def _tell(patched: pytest.MonkeyPatch, draws: np.ndarray) -> None:
    """Let jax draw these numbers of 0..1, one after the other."""
    queue = iter(draws)

    def numbers(shape: tuple[int, ...]) -> np.ndarray:
        return np.array([next(queue) for _ in range(int(np.prod(shape)))], np.float32).reshape(shape)

    def uniform(key, shape, dtype, minval=0.0, maxval=1.0):
        return jax.numpy.asarray(np.float32(minval) + numbers(shape) * np.float32(maxval - minval))

    def randint(key, shape, minval, maxval):
        return jax.numpy.asarray(np.floor(minval + numbers(shape) * (maxval - minval)).astype(np.int32))

    patched.setattr(jax.random, "uniform", uniform)
    patched.setattr(jax.random, "randint", randint)
    patched.setattr(jax.random, "bernoulli", lambda key, p: numbers(()) < np.float32(p))


@pytest.mark.parametrize("soft", [False, True])
def test_a_network_of_the_same_first_weights_is_trained_to_the_same(peer: Peer, soft: bool) -> None:
    train_split, test = coloured_digits()
    rows, epochs, rate = slice(0, 40), 8, 0.01
    images, labels = train_split.images[rows], centred_one_hot(train_split.labels[rows], 10)
    labels = labels + 0.3 * np.random.default_rng(2).normal(size=labels.shape) * soft
    protocol = short(PROTOCOLS["dd-ranking-soft" if soft else "dd-ranking"], epochs)
    recipe = replace(protocol.recipe, augmentation=None)
    params = initial(SPEC, (8, 8, 3), 10, 0).params
    theirs = peer(
        "training",
        images=nchw(images),
        labels=labels.astype(np.float32) if soft else labels.argmax(1),
        tests=nchw(test.images),
        rate=rate,
        epochs=epochs,
        outputs=10,
        **{f"{layer}/{name}": leaf for layer, leaves in params.items() for name, leaf in leaves.items()},
    )
    rates, decays = np.array([[rate], protocol.weight_decays], np.float32)
    replicas = Replicas(images[None], labels_for(recipe.loss, labels)[None], rates, decays, np.array([0]), 1.0)
    found = jax.tree.map(lambda leaf: leaf[0], train(SPEC, recipe, replicas))
    apply = model_of(SPEC, (8, 8, 3), 10).apply
    for name, variables in (("first", initial(SPEC, (8, 8, 3), 10, 0)), ("last", found)):
        # Rounding grows: after 12 epochs its own in float32 and float64 are 4 % apart, ours and the latter 0.7 %.
        own, scale = np.asarray(apply(variables, test.images)), np.abs(theirs[name]).max()
        np.testing.assert_allclose(own, theirs[name], atol=2e-4 * scale, err_msg=name)
    # Training moved it by much more than both differ.
    assert np.abs(theirs["last"] - theirs["first"]).max() > 0.3 * np.abs(theirs["last"]).max()


def short(protocol: Protocol, epochs: int) -> Protocol:
    """The same with fewer epochs and its first rate alone."""
    recipe = replace(protocol.recipe, epochs=epochs)
    return replace(protocol, recipe=recipe, learning_rates=protocol.learning_rates[:1])


@pytest.mark.parametrize("augmented", [True, False])
def test_sets_reach_the_same_within_the_deviation_of_seeds(peer: Peer, augmented: bool) -> None:
    """The mean image of each class, and random real ones; by one rate, as its search of five looks at test images."""
    train_split, test = coloured_digits()
    count, seeds = 10, 4
    of_class = [train_split.images[train_split.labels == each] for each in range(count)]
    draws = np.random.default_rng(5).integers(40, size=(seeds, count))
    sets = [np.stack([each.mean(0) for each in of_class])] * seeds
    sets += [np.stack([each[row] for each, row in zip(of_class, rows, strict=True)]) for rows in draws]
    recipe = short(PROTOCOLS["dd-ranking"], 40).recipe
    if not augmented:
        recipe = replace(recipe, augmentation=None)
    ours = np.array([_reached(recipe, images, seed % seeds, test) for seed, images in enumerate(sets)])
    splits = {"train_images": nchw(train_split.images), "test_images": nchw(test.images)}
    splits |= {"train_labels": train_split.labels.astype(np.int64), "test_labels": test.labels.astype(np.int64)}
    given = np.stack(sets).transpose(0, 1, 4, 2, 3)
    theirs = peer("seeds", sets=given, epochs=40, classes=count, augmented=augmented, **splits)["accuracies"]
    for own, its in zip(ours.reshape(2, seeds), theirs.reshape(2, seeds), strict=True):
        error = np.sqrt((np.var(own, ddof=1) + np.var(its, ddof=1)) / seeds)
        print(f"ours {own.mean():.3f}, theirs {its.mean():.3f}, standard error of the difference {error:.3f}")
        assert own.mean() == pytest.approx(its.mean(), abs=4 * error + 0.01)
    assert ours[:seeds].mean() > ours[seeds:].mean() + 0.05


def _reached(recipe: Recipe, images: np.ndarray, seed: int, test: Split) -> float:
    """The accuracy of a network that is trained on one image of each class."""
    numbers = (np.array([value], np.float32) for value in (0.01, 5e-4))
    labels = np.eye(len(images), dtype=np.float32)
    replicas = Replicas(images[None], labels[None], *numbers, np.array([seed]), 1.0)
    found = jax.tree.map(lambda leaf: leaf[0], train(SPEC, recipe, replicas))
    return score_network(SPEC, found, test, len(images)).accuracy


def test_its_soft_metric_runs_on_the_folder_that_we_export(peer: Peer, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    patterns = rng.integers(40, 216, (10, 32, 32, 3))
    labels = {"train": np.arange(100) % 10, "test": np.arange(60) % 10}
    pixels = {
        name: np.clip(patterns[own] + rng.normal(0, 30, (len(own), 32, 32, 3)), 0, 255).astype(np.uint8)
        for name, own in labels.items()
    }
    source = _exported(tmp_path / "bundle", pixels["train"])
    FORMATS["dd-ranking"].writer.write(source, tmp_path)
    given = {f"{name}_{what}": of[name] for name in labels for what, of in (("images", pixels), ("labels", labels))}
    found = peer("folder", **given)
    space = source.normalised
    np.testing.assert_allclose(found["images"], nchw(space.apply(pixels["train"][:10])), atol=1e-3)
    np.testing.assert_allclose(found["labels"], source.soft_labels)
    assert found["lr"] == np.float32(0.01)
    # Its test images are in the space of the exported ones.
    np.testing.assert_allclose(found["tests"], nchw(space.apply(pixels["test"])), atol=1e-5)
    assert found["random"].shape == (10, 3, 32, 32)
    # Patterns are learned by all three of its trainings that are not by a teacher without training.
    assert abs(found["hard_label_recovery_mean"]) < 30
    assert found["improvement_over_random_mean"] > 30


def _exported(folder: Path, pixels: np.ndarray) -> ExportSource:
    """A bundle of the first image of each class, said to be of CIFAR-10."""
    whitener = fitted("standard", pixels)
    starts = whitener.apply(pixels[:10])
    source = replace(
        make_source(),
        name="cifar10",
        image_shape=pixels.shape[1:],
        class_names=tuple(map(str, range(10))),
        class_counts={"train": (10,) * 10, "validation": (0,) * 10, "test": (6,) * 10},
    )
    labels = np.eye(10) - 0.1 + np.random.default_rng(0).uniform(0, 0.3, (10, 10))
    contents = replace(
        make_contents("standard"),
        images=starts.astype(np.float64),
        labels=labels,
        class_ids=np.arange(10),
        init_indices=np.arange(10),
        starts=starts,
        label_mode="learned",
        source=source,
        whitener=whitener,
        probe=pixels[-8:],
    )
    write_bundle(folder, contents)
    return ExportSource(read_bundle(folder), folder)
