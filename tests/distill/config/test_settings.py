"""Every setting says its range in words, when it may change, and which stage depends on it."""

import pytest

from kerneldistill.config.presets import PRESETS
from kerneldistill.config.settings import flag, names_in, settings


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("kernel.depth", "a whole number from 1 to 1000"),
        ("optim.learning_rate", "a finite number above 0"),
        ("augment.strength.flip", "a number from 0 to 1"),
        ("optim.momentum", "a number from 0 to below 1"),
        ("optim.clip", "a finite number above 0, or None"),
        ("krr.ridge_steps", "a whole number from 1 up, or None"),
        ("seed", "a whole number from 0 to 4294967295"),
        ("data.validation_fraction", "a number from 0 to 0.5"),
    ],
)
def test_ranges_in_words(name: str, allowed: str) -> None:
    assert settings()[name].allowed == allowed


def test_when_settings_may_change() -> None:
    by_change = {
        change: {name for name, setting in settings().items() if setting.mark.change == change}
        for change in ("resume", "longer", "never")
    }
    checkpoint = {name for name in settings() if name.startswith("checkpoint.")}
    data = {name for name in settings() if name.startswith("data.")}
    refit = {"support.refit", "support.refit_targets", "optim.patience"}
    assert by_change["resume"] == {
        *checkpoint,
        *refit,
        "data.dir",
        "evaluate.baseline_draws",
        "evaluate.ensemble",
        "optim.patience",
        "support.shards",
    }
    assert by_change["longer"] == {"optim.steps"}
    images = {"kernel.dtype", "support.size", "support.start", "seed", "coarse"}
    assert by_change["never"] == data - {"data.dir"} | images


def test_what_changes_no_number_belongs_to_no_stage_before_the_one_that_measures() -> None:
    for name, setting in settings().items():
        expected = {"resume": None}
        expected |= dict.fromkeys(("evaluate.baseline_draws", "evaluate.ensemble"), "evaluate")
        expected |= dict.fromkeys(("support.refit", "support.refit_targets", "optim.patience"), "distill")
        assert setting.mark.stage == expected.get(name, expected.get(setting.mark.change, "distill"))


def test_names_values_and_flags() -> None:
    assert next(iter(settings())) == "data.name"
    assert names_in("")[:3] == ["data", "kernel", "support"]
    assert names_in("optim.schedule") == ["name", "warmup", "end", "at", "drop"]
    assert settings()["optim.schedule.warmup"].of(PRESETS["digits"]) == 0
    assert flag("optim.learning_rate") == settings()["optim.learning_rate"].flag == "--optim.learning-rate"
