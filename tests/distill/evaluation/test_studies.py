"""Studies of networks: how trainings end, what is found of a small set, and what is refused."""

import numpy as np
import pytest

from kerneldistill.errors import UserError
from kerneldistill.evaluation import curve_study as curves
from kerneldistill.evaluation import rate_study as rates
from kerneldistill.evaluation.network_spec import network_spec
from kerneldistill.evaluation.studies import CURVES, RATES, RateSeries, RateStudy, RateTrial, check_study, studied
from kerneldistill.evaluation.study_tables import curve_table, rate_table, rate_words
from tests.helpers.evaluation_targets import target

SPEC = network_spec("mlp-w16-d1")


@pytest.mark.parametrize(
    ("losses", "outcome"),
    [
        ([1, 0.5, 0.2], "stable"),
        ([1, 1.01, 0.2], "stable"),
        ([1, 3, 0.2], "catapult"),
        ([1, 3, 1.5], "diverged"),
        ([1, np.inf, np.nan], "diverged"),
    ],
)
def test_how_a_training_ended(losses: list[float], outcome: str) -> None:
    assert rates.outcome_of(np.array(losses)) == outcome


def test_rates_around_the_stable_one_end_as_theory_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "STEPS", 60)
    done: list[int] = []
    found = rates.rate_study(target(), SPEC, range(2), done.append)
    narrow, standard, mu = found.series
    assert done == list(range(1, 31))
    assert found.factors == rates.FACTORS
    assert [(each.width, each.parameterization) for each in found.series] == [
        (16, "standard"),
        (128, "standard"),
        (128, "mu"),
    ]
    assert [trial.outcome for trial in narrow.of(0.25)] == ["stable", "stable"]
    assert np.mean(standard.stable_rates) < 0.5 * np.mean(narrow.stable_rates)
    assert np.mean(mu.stable_rates) > 0.5 * np.mean(narrow.stable_rates)
    assert {trial.rate for trial in standard.trials} == {trial.rate for trial in narrow.trials}
    errors = {factor: np.mean([trial.validation for trial in narrow.of(factor)]) for factor in (0.25, 0.5)}
    assert narrow.error(0.25) == pytest.approx(errors[0.25])
    assert narrow.error(found.best) <= min(errors.values())
    title, header, rows = rate_table(found)
    assert len(rows) == 6
    assert {len(row) for row in rows} == {len(header)}
    assert "mean of 2 seeds" in title
    assert "at width 128 in the standard parameterisation" in rate_words(found)


def test_the_best_rate_is_that_of_the_least_error_where_none_diverged() -> None:
    def series(*trials: tuple[float, float | None, str]) -> RateSeries:
        every = [RateTrial(factor, 1.0, 0, 1.0, 1.0, 0.1, error, 0.5, outcome) for factor, error, outcome in trials]
        return RateSeries(8, "standard", (1.0,), tuple(every))

    some = series((0.5, 0.3, "stable"), (1.0, 0.2, "catapult"), (2.0, 0.1, "diverged"), (4.0, None, "stable"))
    assert [some.error(factor) for factor in (0.5, 1.0, 2.0, 4.0)] == [0.3, 0.2, np.inf, 0.1]
    assert RateStudy("mlp-w8", "", 1, (some,) * 3, 0.0).best == 4.0  # by its loss, without validation


def test_a_wide_network_trains_as_its_linearisation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "STEPS", 50)
    what = target()
    narrow, wide = (curves.curve_study(what, network_spec(f"mlp-w{width}-d1"), 0) for width in (4, 512))
    assert (narrow.steps[0], narrow.steps[-1]) == (0, 50)
    assert narrow.real.errors[0] == pytest.approx(narrow.linear.errors[0], rel=1e-5)

    def apart(study):
        return np.abs(np.subtract(study.real.errors, study.linear.errors)).max()

    assert apart(wide) < 0.3 * apart(narrow)
    assert apart(wide) > 0
    assert len(curve_table([narrow, wide])[2]) == 2


def test_moments_begin_at_0_and_end_at_the_last_step() -> None:
    found = curves.moments(1000)
    assert (found[0], found[1], found[-1]) == (0, 1, 1000)
    assert list(found) == sorted(set(found))


def test_what_cannot_be_studied_is_refused() -> None:
    with pytest.raises(UserError, match="allowed are: rates, curves"):
        check_study("rate")
    with pytest.raises(UserError, match="batch normalisation"):
        studied(CURVES, (network_spec("convnet-batch"),))
    with pytest.raises(UserError, match="attention has no mu-parameterisation"):
        studied(RATES, (network_spec("vit"),))
    assert [spec.name for spec in studied(CURVES, ())] == ["mlp", "mlp-w1024"]
