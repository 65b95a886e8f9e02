"""The comparison of what accuracy costs: its sweeps are valid, its table says what the records hold."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from kerneldistill.config.coarse import coarser
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.toml import config_to_toml
from kerneldistill.runs.planning.precedent import Point, Precedent
from kerneldistill.runs.sweep.cases import cases_of
from kerneldistill.runtime.environment import current
from scripts.cost_table import table

FOLDER = Path(__file__).parents[1] / "scripts" / "cost"
# Those that compare with adam, and those in which its best setting goes on.
LONGER = sorted(FOLDER.glob("*-adam.toml"))
SWEEPS = sorted(file for file in FOLDER.glob("*.toml") if file.stem != "random-features" and file not in LONGER)


@pytest.mark.parametrize("file", SWEEPS, ids=lambda file: file.stem)
def test_six_settings_of_adam_have_about_as_many_entries(file):
    configs = [case.config for case in cases_of(file) if not case.config.coarse]
    adams = [config for config in configs if config.optim.name == "adam"]
    settings = {(c.optim.target_batch, c.optim.learning_rate, c.optim.schedule.name) for c in adams}
    assert len(settings) == len(adams) == 6
    entries = [c.optim.steps * c.support.size * (c.optim.target_batch + c.support.size) for c in adams]
    assert max(entries) < 1.2 * min(entries)


@pytest.mark.parametrize("file", SWEEPS, ids=lambda file: file.stem)
def test_the_recipe_has_two_seeds_and_is_taken_apart(file):
    recipe, *others = [case.config for case in cases_of(file) if case.config.optim.name == "gauss_newton"]
    assert recipe.seed == 0
    assert replace(recipe, seed=1) in others
    assert all(config.seed == 0 for config in others if config != replace(recipe, seed=1))
    assert recipe not in others


@pytest.mark.parametrize("file", LONGER, ids=lambda file: file.stem)
def test_a_setting_of_adam_goes_on_with_two_seeds(file):
    first, second = (case.config for case in cases_of(file))
    assert second == replace(first, seed=1)
    longer = first.optim
    began = [case.config.optim for case in cases_of(file.with_name(file.name.replace("-adam", "")))]
    others = {"steps": longer.steps, "growth": longer.growth, "gauss_newton": longer.gauss_newton}  # not adam's
    assert longer.growth.name == "constant"
    assert longer in [replace(optim, **others) for optim in began if optim.growth.name == "constant"]
    entries = longer.steps * first.support.size * (longer.target_batch + first.support.size)
    assert entries == pytest.approx({10: 600_000, 100: 3_000_000}[first.support.size], rel=0.01)


def test_random_features_come_before_the_exact_kernel_or_not_at_all():
    cases = {case.name: case.config for case in cases_of(FOLDER / "random-features.toml")}
    for size in (100, 500):
        exact, warm = cases[f"exact-{size}"], cases[f"warm-{size}"]
        assert exact.support.size == warm.support.size == size
        assert not exact.coarse
        level, _ = coarser(warm, (16, 16, 3))
        assert level.random_features.networks
        assert not warm.random_features.networks


def _record(name: str, errors: list[float], averaged: bool = False) -> Precedent:
    config = tomllib.loads(config_to_toml(PRESETS["digits"]))
    config["optim"]["name"] = name
    curve = [Point(i, 1000 * i, 2.0 * i, 60.0 * i, 0.5, mse, averaged) for i, mse in enumerate(errors)]
    return Precedent("", config, "digits 1", "0" * 64, current(), 1e-3, tuple(curve), 100, 0.625, 0.03)


def test_the_table_says_when_the_best_of_adam_is_reached():
    records = {
        "adam": _record("adam", [0.05, 0.04, 0.036]),
        "gauss_newton": _record("gauss_newton", [0.05, 0.035, 0.034], averaged=True),
        "short": _record("gauss_newton", [0.05, 0.04]),
    }
    head, _, adam, newton, short = table(records, None).splitlines()
    assert "to 0.03600" in head
    assert "2,000, 2m00s" in adam
    assert "0.03600" in adam
    assert "62.5 %" in adam
    assert "1,000, 1m00s" in newton
    assert "0.03400" in newton
    assert "| - |" in short
