"""Runs with the options of other papers, from prepared data to a bundle, and one that begins from another."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from kerneldistill.bundle.reader import read_bundle
from kerneldistill.config.schema import Config, KernelConfig, LossConfig, RandomFeaturesConfig, SupportConfig
from kerneldistill.runs import stages
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.results import Results
from kerneldistill.runs.training.metrics import MetricsLog


def ran(config: Config, rundir: RunDir, prepared: Path) -> RunDir:
    """What `run.run` leaves on data that are prepared."""
    with jax.numpy_dtype_promotion("standard"), rundir.open(config):
        (rundir.path / "prepared").symlink_to(prepared)
        stages.distill(config, rundir)
        stages.evaluate(rundir)
        stages.export(rundir)
    return rundir


def test_a_cheap_run_by_random_features_begins_an_exact_one(finished: RunDir, small: Config, tmp_path: Path) -> None:
    cheap = replace(
        small,
        kernel=KernelConfig("fc", 1, get="nngp"),
        support=SupportConfig(12, learn_labels=True, start="noise", flip=True),
        loss=LossConfig("cross_entropy"),
        random_features=RandomFeaturesConfig(networks=2, width=32, judges=4),
    )
    first = ran(cheap, RunDir(tmp_path / "cheap"), finished.prepared)
    outcome = Outcome.load(first.outcome_file)
    assert (outcome.start.init_indices == -1).all()
    assert np.bincount(outcome.start.class_ids).tolist() == [2, 2, *[1] * 8]
    losses = [record["loss"] for record in MetricsLog(first.metrics_file).read()[1:]]
    assert losses[-1] < 0.7 * losses[0]
    results = Results.load(first.results_file)
    assert results.learned.accuracy > results.start.accuracy + 0.1  # of noise; both by the exact kernel

    exact = replace(small, support=SupportConfig(12, start=str(first.path)), optim=replace(small.optim, steps=2))
    second = ran(exact, RunDir(tmp_path / "exact"), finished.prepared)
    bundle = read_bundle(first.bundle)
    assert Results.load(second.results_file).start.accuracy > results.start.accuracy + 0.1
    assert np.array_equal(Outcome.load(second.outcome_file).support.labels, bundle.labels.astype(np.float64))
    assert second.start_file.exists()
    # It depends on the other run no more.
    first.bundle.rename(tmp_path / "moved")
    with jax.numpy_dtype_promotion("standard"):
        stages.evaluate(second)


@pytest.mark.parametrize("name", ["learned", "start"])
def test_results_are_of_the_mirror_images_too(name: str, finished: RunDir, small: Config, tmp_path: Path) -> None:
    flipped = replace(small, support=replace(small.support, flip=True), optim=replace(small.optim, steps=0))
    found = Results.load(ran(flipped, RunDir(tmp_path / "run"), finished.prepared).results_file)
    plain = Results.load(finished.results_file)
    assert getattr(found, name).mse != plain.start.mse
