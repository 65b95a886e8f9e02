"""Plans of runs on features count images that are encoded and products, and hold what such runs hold."""

from dataclasses import replace
from pathlib import Path

import pytest

import kerneldistill as kd
from kerneldistill.errors import UserError
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning.announcement import announce
from kerneldistill.runs.planning.calibration import calibrate
from kerneldistill.runs.planning.dataset_size import DataSize
from kerneldistill.runs.planning.feature_workload import FeatureWorkload
from kerneldistill.runs.planning.levels import _work, workloads_of
from kerneldistill.runs.planning.machine import Machine
from kerneldistill.runs.planning.memory import memory_of
from kerneldistill.runs.planning.plan import check_fits, label_solve_seconds, plan_of
from kerneldistill.runs.planning.table import table
from kerneldistill.runs.training.schedule import to_validate

SIZE = DataSize("random", (8, 8, 1), 10, 1000, 50, 200)


@pytest.fixture(scope="module")
def config(small: kd.Config) -> kd.Config:
    kernel = replace(small.kernel, network="features", encoder="tests.helpers.encoders:of_digits")
    return replace(small, kernel=kernel)


def work_of(config: kd.Config, size: DataSize = SIZE, **changes) -> FeatureWorkload:
    found = _work(replace(config, **changes), size, 2)
    assert isinstance(found, FeatureWorkload)
    return found


def test_images_of_the_support_are_encoded_and_targets_are_at_hand(config: kd.Config) -> None:
    work = work_of(config)
    due = sum(to_validate(step, config) for step in range(1, 13))
    assert (work.features, work.step_entries, work.images) == (12, 10, 1250)
    assert work.validation_entries == (1 + due) * 10
    assert work.test_entries == (2 + 2 + 1) * 10
    assert work.step_images == 0
    assert work_of(config, augment=kd.AugmentConfig(("flip",))).step_images == 100
    # Two layers of 64 x 16 and 16 x 12, each a product forward, and more with the gradient.
    assert 2 * (64 * 16 + 16 * 12) <= work.flops.forward < 1.2 * 2 * (64 * 16 + 16 * 12)
    assert work.flops.step > 2 * work.flops.forward


def test_the_smaller_system_is_counted(config: kd.Config) -> None:
    few, many, more = (work_of(config, support=kd.SupportConfig(size)).passed[-1] for size in (1_000, 10_000, 20_000))
    assert more / many == pytest.approx(2, rel=0.05)  # no cube of the images
    assert many / few == pytest.approx(10, rel=0.1)


def test_a_thousand_classes_fit_and_too_many_images_do_not(config: kd.Config) -> None:
    size = DataSize("random", (32, 32, 3), 1000, 50_000, 0, 10_000)
    kernel = replace(config.kernel, encoder="scripts.feature_scale:phi")
    work = work_of(config, size, kernel=kernel, support=kd.SupportConfig(10_000), optim=kd.OptimConfig())
    # 1.4 GB were measured beside the 614 MB of images, which are read into memory in a run.
    memory = memory_of(work)
    assert 1.4e9 + 614e6 < memory.host < 4e9
    check_fits(work.config, memory, Machine("cpu", 2, 8 * 10**9))
    with pytest.raises(UserError, match=r"of it for support.*set a smaller --support.size"):
        check_fits(work.config, memory, Machine("cpu", 2, 10**9))


def test_a_plan_tells_features_and_their_speed(config: kd.Config) -> None:
    work = work_of(config)
    text = table(plan_of(work, Machine("cpu", 2, 10**9), calibrate(work)))
    assert "12 features of an image" in text
    assert "images/s)" in text
    assert "10 images of the support with gradient" in text
    assert "tile" not in text
    speed = calibrate(work)
    assert label_solve_seconds(work, speed).step == pytest.approx(10 * speed.forward)


def test_a_forecast_imports_the_encoder(config: kd.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerneldistill.algorithms.encoders._GIVEN", {})
    (work,) = workloads_of(config, RunDir(tmp_path), 2)
    assert isinstance(work, FeatureWorkload)
    announce(config, RunDir(tmp_path), "run", 1, lambda question: False)
