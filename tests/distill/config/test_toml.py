"""Preset, file and flags become one configuration; TOML gives it back exactly."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerneldistill.config.differences import Difference, differences
from kerneldistill.config.presets import PRESETS, SUMMARIES
from kerneldistill.config.schema import Config, DataConfig, OptimConfig, SupportConfig
from kerneldistill.config.toml import config_digest, config_from_toml, config_to_toml, layered, preset_config
from kerneldistill.errors import UserError
from tests.helpers.settings import resolve

DIGITS = PRESETS["digits"]


def toml(folder: Path, text: str) -> Path:
    file = folder / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("name", PRESETS)
def test_presets_come_back_from_toml(name: str) -> None:
    assert config_from_toml(config_to_toml(PRESETS[name]), "x.toml") == PRESETS[name]


def test_presets_have_their_summaries_and_run_once_their_folder_is_known() -> None:
    assert list(PRESETS) == list(SUMMARIES)
    for name in PRESETS:
        assert resolve(name, flags=["--data.dir", "somewhere"]).support.size >= 10


PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@settings(deadline=None)  # a busy machine is no fault
@given(st.floats(0, exclude_min=True, allow_infinity=False), st.integers(0, 2**32 - 1), st.one_of(st.none(), PATHS))
def test_any_value_comes_back_from_toml(rate: float, seed: int, folder: str | None) -> None:
    config = replace(DIGITS, optim=OptimConfig(learning_rate=rate), data=DataConfig(dir=folder), seed=seed)
    back = config_from_toml(config_to_toml(config), "x.toml")
    assert back == config


def test_file_overrides_preset_and_flags_override_both(tmp_path: Path) -> None:
    file = toml(tmp_path, "seed = 3\n[optim]\nsteps = 7\nlearning_rate = 1\n")
    config = resolve("digits", file, ["--optim.steps", "9", "--support.learn-labels"])
    assert config.seed == 3
    assert config.optim == replace(DIGITS.optim, steps=9, learning_rate=1.0)
    assert isinstance(config.optim.learning_rate, float)
    assert config.support == SupportConfig(size=10, learn_labels=True)
    assert config.kernel == DIGITS.kernel


def test_an_unknown_preset_names_the_known() -> None:
    with pytest.raises(UserError, match=r"PRESET is 'cifar', did you mean cifar10-\w+"):
        preset_config("cifar")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data]\nnmae = 'x'", r"data\.nmae is not a setting, did you mean name"),
        ("nmae = 1", r"nmae is not a setting, allowed are: data"),
        ("[optim]\nsteps = 1.5", r"optim\.steps is 1\.5, allowed is a whole number from 0 up"),
        ("[optim]\nsteps = true", r"optim\.steps is True, allowed is a whole number from 0 up"),
        ("[optim]\nlearning_rate = 'fast'", r"optim\.learning_rate is 'fast', allowed is a finite number above 0"),
        ("[kernel]\nprepend = 1", r"kernel\.prepend is 1, allowed is a valid boolean"),
        (
            "[kernel]\nnetwork = 'vgg'",
            r"kernel\.network is 'vgg', allowed is 'fc', 'conv_net', 'conv_vec', 'my.*",
        ),
        ("optim = 3", r"optim is 3, allowed is a table \[optim\]"),
        ("[data]\nname = 1979-05-27", r"data\.name is \['1979-05-27'\], allowed is a valid string"),
        ("[data]\nvalidation_fraction = 0.9", r"mine\.toml: data\.validation_fraction is 0\.9"),
        ("[optim\nsteps = 1", "is not TOML"),
        ("[krr]\nridge = -1", r"mine\.toml: krr\.ridge is -1, allowed is a finite number from 0 up \(kdistill"),
        ("[data]\nnmae = 1\n[optim]\nsteps = 1.5", r"data\.nmae is not.*; optim\.steps is 1\.5"),
    ],
)
def test_a_bad_file_is_refused_with_the_name_of_the_value(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        layered("digits", toml(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_a_whole_configuration_lacks_nothing() -> None:
    with pytest.raises(UserError, match=r"kernel\.depth is missing; support is missing"):
        config_from_toml("[data]\n[kernel]\nnetwork = 'fc'", "x.toml")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "mine.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=r"mine\.toml cannot be read"):
        layered("digits", file)


def test_values_must_go_together_after_all_layers_only(tmp_path: Path) -> None:
    file = toml(tmp_path, "[kernel]\nnetwork = 'myrtle'")
    with pytest.raises(UserError, match=r"kernel\.depth is 2"):
        resolve("digits", file)
    assert resolve("digits", file, ["--kernel.depth", "5"]).kernel == replace(DIGITS.kernel, network="myrtle", depth=5)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--optim.stpes", "3"], "--optim.stpes is no flag of kdistill run: did you mean --optim.steps?"),
        (["--optim.steps", "three"], "--optim.steps is 'three', allowed is a whole number from 0 up"),
        (["--kernel.get", "x"], "--kernel.get is 'x', allowed are: nngp, ntk"),
        (["--optim.steps"], "--optim.steps has no value: write --optim.steps INT"),
        (["--support.flip", "True"], "--support.flip takes no value, given is 'True': write --support.flip"),
        (["--support.flip=no"], "--support.flip takes no value, given is 'no': write --support.no-flip"),
        (["--augment.names", "flip", "--augment.names", "crop"], "--augment.names is there twice: put all its values"),
        (["—optim.steps", "3"], "—optim.steps does not begin with two plain hyphens: write --optim.steps"),
        (["-optim.steps", "3"], "-optim.steps does not begin with two plain hyphens: write --optim.steps"),
        (["--no-optim.steps"], "--no-optim.steps is no flag of kdistill run"),
        (["--optim.no-steps"], "--optim.no-steps is no flag of kdistill run, for --optim.steps takes a value"),
        (["optim.steps"], "'optim.steps' has no hyphens: write --optim.steps"),
        (["--optim.schedule.at", "x"], "--optim.schedule.at is 'x', allowed are numbers: for example"),
    ],
)
def test_a_bad_flag_is_a_mistake_with_its_remedy(flags: list[str], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        resolve("digits", flags=flags)


def test_difference_names_every_value_with_both_sides() -> None:
    other = replace(DIGITS, seed=1, optim=replace(DIGITS.optim, steps=5))
    assert differences(DIGITS, DIGITS) == []
    assert differences(DIGITS, other) == [Difference("optim.steps", DIGITS.optim.steps, 5), Difference("seed", 0, 1)]


def test_the_digest_is_of_the_values() -> None:
    same = Config(**{name: getattr(DIGITS, name) for name in DIGITS.__dataclass_fields__})
    assert config_digest(same) == config_digest(DIGITS) != config_digest(replace(DIGITS, seed=1))
