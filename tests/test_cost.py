"""The comparison of what accuracy costs: its sweeps are valid, its table says what the records hold."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from kerneldistill.config.presets import PRESETS
from kerneldistill.config.toml import config_to_toml
from kerneldistill.runs.planning.precedent import Point, Precedent
from kerneldistill.runs.sweep.cases import cases_of
from kerneldistill.runtime.environment import current
from scripts.cost_table import table

SWEEPS = sorted((Path(__file__).parents[1] / "scripts" / "cost").glob("*.toml"))


@pytest.mark.parametrize("file", SWEEPS, ids=lambda file: file.stem)
def test_six_settings_of_adam_have_as_many_entries_and_two_seeds(file):
    configs = [case.config for case in cases_of(file) if not case.config.coarse]
    adams = [config for config in configs if config.optim.name == "adam"]
    settings = {(c.optim.target_batch, c.optim.learning_rate, c.optim.schedule.name) for c in adams}
    assert len(settings) == 6
    assert len(adams) == 12
    assert len({config.optim.steps * config.optim.target_batch * config.support.size for config in adams}) == 1
    assert all(config.optim.steps % config.evaluate.every == 0 for config in adams)


@pytest.mark.parametrize("file", SWEEPS, ids=lambda file: file.stem)
def test_the_recipe_has_two_seeds_and_is_taken_apart(file):
    newton = [case.config for case in cases_of(file) if case.config.optim.name == "gauss_newton"]
    assert [config.seed for config in newton[:2]] == [0, 1]
    assert newton[1] == replace(newton[0], seed=1)
    assert all(config.seed == 0 and config != newton[0] for config in newton[2:])


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
