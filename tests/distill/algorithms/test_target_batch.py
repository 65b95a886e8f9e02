"""The batch grows by its rule or by the noise that two halves of it measure, in few sizes, and resumes bit for bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.algorithms.kip import Kip
from kerneldistill.algorithms.target_batch import GradientNoise, batch_of_step, batch_sizes, first_noise, measured
from kerneldistill.config.schema import GrowthConfig, LossConfig, OptimConfig, SupportConfig
from tests.helpers.tiny_run import CONFIG, Stopper, assert_same, problem_of, records, trained
from tests.helpers.tolerance import GRADIENT, assert_close

pytestmark = pytest.mark.usefixtures("optax_may_promote")


def optim(steps: int = 12, target_batch: int = 800, **growth: object) -> OptimConfig:
    return OptimConfig(steps=steps, target_batch=target_batch, growth=GrowthConfig(**growth))


@pytest.mark.parametrize(
    ("growth", "sizes", "batches"),
    [
        ({}, (800,), [800] * 12),
        ({"name": "geometric"}, (100, 200, 400, 800), [100] * 3 + [200] * 3 + [400] * 3 + [800] * 3),
        ({"name": "linear", "sizes": 3}, (100, 450, 800), [100] * 4 + [450] * 4 + [800] * 4),
        ({"name": "piecewise", "at": (2, 7)}, (100, 280, 800), [100] * 2 + [280] * 5 + [800] * 5),
        ({"name": "geometric", "first": 3, "sizes": 2}, (10, 800), [10] * 6 + [800] * 6),
        ({"name": "geometric", "first": 800}, (800,) * 4, [800] * 12),
    ],
)
def test_the_rules(growth: dict[str, object], sizes: tuple[int, ...], batches: list[int]) -> None:
    config = optim(**growth)
    assert batch_sizes(config, 10) == sizes
    assert [batch_of_step(config, 10, step) for step in range(12)] == batches
    assert batch_of_step(config, 10, 10**6) == 800
    assert first_noise(config) is None


def halves(scale: float, batch: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of length 1 whose noise scale is `scale`."""
    signal = np.full(10_000, 0.01)
    noise = rng.standard_normal((2, 10_000)) * np.sqrt(scale / 10_000 / (batch / 2))
    return signal + noise[0], signal + noise[1]


def test_the_noise_scale_is_that_of_the_gradients_whatever_the_batch() -> None:
    rng, config = np.random.default_rng(0), optim(name="noise", noise=1e-9)
    for batch in (50, 400):
        noise = GradientNoise()
        for _ in range(100):
            noise = measured(noise, config, 10, halves(300.0, batch, rng), batch)
        assert noise.scale == pytest.approx(300, rel=0.1)


@pytest.mark.parametrize(("factor", "ends_at"), [(0.3, 100), (1.0, 400), (3.0, 800)])
def test_the_batch_grows_until_it_outweighs_the_noise(factor: float, ends_at: int) -> None:
    rng, config = np.random.default_rng(0), optim(name="noise", noise=factor)
    noise, sizes = GradientNoise(), []
    for step in range(200):
        sizes.append(batch_of_step(config, 10, step, noise))
        noise = measured(noise, config, 10, halves(250.0, sizes[-1], rng), sizes[-1])
    assert sizes == sorted(sizes)
    assert sizes[:20] == [100] * 20  # one measurement is no reason
    assert sizes[-1] == ends_at


def test_a_gradient_of_nothing_but_noise_makes_it_grow_to_the_last() -> None:
    config, noise = optim(name="noise", sizes=2), GradientNoise()
    for _ in range(60):
        noise = measured(noise, config, 10, (np.array([1.0, 0.0]), np.array([-1.0, 0.0])), 100)
    assert noise.scale == np.inf
    assert noise.level == 1


def test_the_gradient_of_two_halves_is_that_of_the_whole() -> None:
    whole = OptimConfig("sgd", learning_rate=1.0, momentum=0.0, target_batch=24)
    config = replace(CONFIG, support=SupportConfig(6, learn_labels=True), loss=LossConfig("cross_entropy"))
    config = replace(config, kernel=replace(CONFIG.kernel, dtype="float64"))
    of_halves = replace(whole, growth=GrowthConfig("noise", first=24))
    found, truth = (
        Kip().step(problem, Kip().init(problem), 0)
        for problem in (problem_of(replace(config, optim=optim)) for optim in (of_halves, whole))
    )
    assert found.loss == pytest.approx(truth.loss)
    assert_close(found.state.support.images, truth.state.support.images, GRADIENT["float64"])
    assert_close(found.state.support.labels, truth.state.support.labels, GRADIENT["float64"])
    assert float(found.state.loss["log_temperature"]) == pytest.approx(float(truth.state.loss["log_temperature"]))
    assert (found.entries, truth.entries) == (6 * (24 + 2 * 6), 6 * (24 + 6))
    assert found.state.noise is not None
    assert found.state.noise.measurements == 1
    assert truth.state.noise is None


@pytest.mark.parametrize("name", ["geometric", "noise"])
def test_a_run_whose_batch_grows_goes_on_bit_for_bit(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kerneldistill.algorithms.target_batch._MEASUREMENTS", 2)
    growth = GrowthConfig(name, first=6, sizes=3, noise=100.0)
    config = replace(CONFIG, optim=replace(CONFIG.optim, steps=6, growth=growth))
    truth = trained(tmp_path / "whole", problem_of(config))
    found = records(tmp_path / "whole")
    assert [record["targets"] for record in found[1:]] == [6, 6, 12, 12, 24, 24]
    assert found[-1]["entries"] == sum(6 * (t + 6 * (1 + (name == "noise"))) for t in (6, 6, 12, 12, 24, 24))
    assert ("noise_scale" in found[-1]) is (name == "noise")
    with monkeypatch.context() as patch:  # before its fourth step
        patch.setattr(Kip, "step", Stopper(7, KeyboardInterrupt).wrap(Kip.step))
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "parts", problem_of(config))
    assert_same(trained(tmp_path / "parts", problem_of(config)), truth)
    assert records(tmp_path / "parts") == found
