"""The plan of a run by second-order steps: their Jacobians, what is kept of them, and the linear algebra."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerneldistill.algorithms.registry import algorithm_of
from kerneldistill.config.optim_config import GaussNewtonConfig
from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning.calibration import Speed, calibrate
from kerneldistill.runs.planning.dataset_size import DataSize
from kerneldistill.runs.planning.levels import workloads_of
from kerneldistill.runs.planning.machine import Machine
from kerneldistill.runs.planning.memory import Memory, memory_of
from kerneldistill.runs.planning.plan import MARGIN, REMEDIES, check_fits, plan_of, seconds_of
from kerneldistill.runs.planning.table import table
from kerneldistill.runs.planning.workload import Workload, workload_of
from tests.helpers.tiny_run import TRAIN, problem_of, with_steps

SPEED = Speed(forward=2.0, gradient=5.0, features=1.0, compile=7.0, solve=0.5)


def config_of(learn_labels: bool = True, flip: bool = False, memory: int = 48, **changes: Any) -> Config:
    """Of 4 steps from 6 images to 24 targets each, two batches of which are kept."""
    newton = GaussNewtonConfig(memory=memory, damping=30.0, iterations=5)
    config = with_steps(4, name="gauss_newton", gauss_newton=newton, **changes)
    return replace(config, support=replace(config.support, learn_labels=learn_labels, flip=flip))


def work_of(config: Config, shape: tuple[int, int, int] = (6, 6, 1), train: int = len(TRAIN)) -> Workload:
    return workload_of(config, DataSize("random", shape, 3, train, 0, 0), 2)


@pytest.mark.parametrize(("learn_labels", "flip"), [(True, False), (False, True)])
def test_entries_and_kept_targets_are_those_of_the_steps(learn_labels: bool, flip: bool) -> None:
    config = config_of(learn_labels, flip)
    problem, algorithm, work = problem_of(config), algorithm_of(config), work_of(config)
    state, kept = algorithm.init(problem), []
    for i in range(config.optim.steps):
        result = algorithm.step(problem, state, i)
        state = result.state
        assert result.entries == work.step_entries
        kept.append(result.metrics["kept_targets"])
    assert work.second_order is not None
    assert kept == work.second_order.kept.tolist() == [24, 48, 48, 48]


def test_the_calibration_takes_a_chunk_of_jacobians(monkeypatch: pytest.MonkeyPatch) -> None:
    work, sizes = work_of(config_of()), set()
    computed = ExactEngine.k_ts_and_jacobian

    def watched(engine: ExactEngine, support: Any, targets: Any) -> Any:
        sizes.add((len(targets), len(support)))
        return computed(engine, support, targets)

    monkeypatch.setattr(ExactEngine, "k_ts_and_jacobian", watched)
    monkeypatch.setattr(ExactEngine, "k_ts_saving", None)
    monkeypatch.setattr(ExactEngine, "pullback", None)
    speed = calibrate(work)
    assert sizes == {(work.engine.jacobian_chunk(24, 6), 6)}
    assert 0 < speed.forward < 1
    assert 0 < speed.gradient < 1
    assert 0 < speed.solve < 1


def test_the_linear_algebra_is_priced_by_what_each_step_keeps() -> None:
    work = work_of(config_of())
    seconds = seconds_of(work, SPEED)
    one_pass = 0.5 * 6
    passes = 2 * 5 + 4
    assert seconds.solve == passes * one_pass * 48
    assert seconds.step == 6 * (24 + 6) * 5.0 + 2 * 6 * 1.0 + seconds.solve
    assert seconds.steps == 4 * (seconds.step - seconds.solve) + passes * one_pass * (24 + 3 * 48)
    assert "of it, linear algebra" in table(plan_of(work, Machine("cpu", 2, None), SPEED))
    first_order = work_of(with_steps(4))
    assert seconds_of(first_order, SPEED).solve == 0
    assert "linear algebra" not in table(plan_of(first_order, Machine("cpu", 2, None), SPEED))


def test_the_kernel_of_the_support_is_a_program_more_where_labels_are_fixed() -> None:
    assert [work_of(config_of(learn_labels)).programs for learn_labels in (True, False)] == [1, 2]


def kept_bytes(memory: Memory) -> int:
    return {part.name: part for part in memory.parts}["kept Jacobians"].host


def test_the_kept_jacobians_are_a_part_of_the_memory() -> None:
    images = ((32, 32, 3), 50_000)
    config = replace(config_of(memory=48_000), optim=replace(config_of(memory=48_000).optim, steps=3000))
    memory = memory_of(work_of(config, *images))
    # Of all kept targets, and of a new batch twice: in chunks and as a whole.
    assert kept_bytes(memory) == (48_000 + 2 * 24) * 6 * 32 * 32 * 3 * 4
    assert {part.name for part in memory.parts} - {"process", "compiler"} <= set(REMEDIES)
    short = replace(config, optim=replace(config.optim, steps=1))
    assert kept_bytes(memory_of(work_of(short, images[0]))) == 2 * 24 * 6 * 32 * 32 * 3 * 4
    check_fits(config, memory, Machine("cpu", 2, int(memory.limited / MARGIN) + 1))
    with pytest.raises(UserError, match=r"of it for kept Jacobians .*: set a smaller --optim\.gauss-newton\.memory"):
        check_fits(config, memory, Machine("cpu", 2, 10**9))


def test_levels_have_steps_of_their_own(small: Config, tmp_path: Path) -> None:
    config = replace(small, coarse=("4,optim.name=gauss_newton",))
    first, own = workloads_of(config, RunDir(tmp_path), 2)
    assert first.second_order is not None
    assert own.second_order is None
    assert not np.any(own.passed)
    assert "kept Jacobians" in {part.name for part in memory_of(first).parts}
    assert "kept Jacobians" not in {part.name for part in memory_of(own).parts}
