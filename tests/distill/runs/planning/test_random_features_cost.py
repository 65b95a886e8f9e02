"""The cost of random features adds up as the steps do, and the break-even is where both kernels cost as much."""

from dataclasses import replace

import pytest

from kerneldistill.config.schema import (
    Config,
    DataConfig,
    EvaluateConfig,
    KernelConfig,
    OptimConfig,
    RandomFeaturesConfig,
    SupportConfig,
)
from kerneldistill.runs.planning.calibration import Speed, calibrate
from kerneldistill.runs.planning.dataset_size import DataSize
from kerneldistill.runs.planning.machine import machine
from kerneldistill.runs.planning.plan import plan_of, seconds_of
from kerneldistill.runs.planning.random_features_cost import RandomFeaturesSpeed
from kerneldistill.runs.planning.workload import workload_of

ESTIMATE = RandomFeaturesSpeed(embed=0.02, embed_gradient=0.05, entry=1e-4)
EXACT = 1e-3
CONFIG = Config(
    data=DataConfig(),
    kernel=KernelConfig("conv_net", 2, get="nngp"),
    support=SupportConfig(4),
    random_features=RandomFeaturesConfig(networks=2, width=8, judges=6),
    optim=OptimConfig(steps=10, target_batch=20),
    evaluate=EvaluateConfig(every=5),
)
SIZE = DataSize("random", (8, 8, 1), 3, 60, 12, 6)


def exact_step(rows: int, targets: int) -> float:
    return rows * (targets + rows) * EXACT


@pytest.mark.parametrize("targets", [100, 1_000, 5_120])
def test_the_break_even_is_the_first_size_at_which_features_cost_no_more(targets: int) -> None:
    least = ESTIMATE.break_even(EXACT, targets)
    assert least is not None
    assert ESTIMATE.step(least, targets) <= exact_step(least, targets)
    assert ESTIMATE.step(least - 1, targets) > exact_step(least - 1, targets)


def test_no_size_is_large_enough_where_a_product_of_features_costs_more_than_an_entry() -> None:
    assert replace(ESTIMATE, entry=2 * EXACT).break_even(EXACT, 1_000) is None


def test_a_plan_prices_the_steps_and_the_judges_and_compares_with_the_exact_kernel() -> None:
    work = workload_of(CONFIG, SIZE, 1)
    speed = Speed(forward=1e-3, gradient=EXACT, features=0.0, compile=1.0, random_features=ESTIMATE)
    found = seconds_of(work, speed)
    # 20 targets and twice the support are embedded, the support with its gradient, and every pair is a product.
    step = (20 + 2 * 4) * 0.02 + 4 * 0.05 + 4 * 24 * 1e-4
    assert found.step == pytest.approx(step)
    assert found.steps == pytest.approx(10 * step)
    # At the start and twice more, by three times as many networks.
    assert found.validation == pytest.approx(3 * 3 * ((12 + 2 * 4) * 0.02 + 0.5 * 4 * 16 * 1e-4))
    (note,) = plan_of(work, machine(), speed).notes
    assert f"below {ESTIMATE.break_even(EXACT, 20)} images at 20 targets" in note
    (untimed,) = plan_of(work, machine()).notes
    assert "random features" in untimed


def test_a_calibration_times_the_features_of_a_step() -> None:
    found = calibrate(workload_of(CONFIG, SIZE, 1)).random_features
    assert found is not None
    assert 0 < found.entry < found.embed < found.embed_gradient < 1
