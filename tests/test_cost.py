"""The comparison of what accuracy costs: its sweeps are valid, its table says what the records hold."""

import tomllib
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
def test_every_sweep_has_settings_of_adam_to_compare_with(file):
    cases = cases_of(file)
    assert sum(case.config.optim.name == "adam" for case in cases) >= 3
    assert any(case.config.optim.name == "gauss_newton" for case in cases)


def test_adam_has_as_many_entries_in_each_setting():
    adams = [c.config for c in cases_of(SWEEPS[0].parent / "cifar10.toml") if c.config.optim.name == "adam"]
    from_real = [config for config in adams if not config.coarse]
    assert len(from_real) == 12
    assert {config.optim.steps * config.optim.target_batch * config.support.size for config in from_real} == {600_000}
    assert all(config.optim.steps % config.evaluate.every == 0 for config in from_real)


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
