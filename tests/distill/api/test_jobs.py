"""`kd.distill`, `kd.label_solve` and `kd.run` as a notebook calls them."""

import gc
import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

import kerneldistill as kd
from kerneldistill.runtime.step_progress import StepProgress
from tests.helpers.digits_arrays import FAST, Digits


def test_a_set_predicts_what_it_was_learned_for(learned: kd.DistilledSet, digits: Digits) -> None:
    assert learned.images.shape == (10, 8, 8, 1)
    assert learned.labels.shape == (10, 10)
    right = learned.classify(digits.test_images) == digits.test_labels
    assert right.mean() == learned.accuracy > 0.7


def test_labels_are_solved_for(digits: Digits) -> None:
    solved = kd.label_solve(digits.images, digits.labels, 20, kernel=FAST["kernel"], whiten="kip_zca")
    assert solved.bundle.manifest.label_mode == "label_solve"
    assert solved.bundle.whitener.kind == "kip_zca"
    assert solved.accuracy > 0.5


def test_the_same_call_in_a_directory_goes_on_and_other_images_are_refused(digits: Digits, tmp_path: Path) -> None:
    def call(steps: int, images: np.ndarray = digits.images) -> kd.DistilledSet:
        return kd.distill(images, digits.labels, dir=str(tmp_path / "run"), kernel=FAST["kernel"], steps=steps)

    assert call(2).bundle.manifest.step <= 2
    call(4)
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 5
    with pytest.raises(kd.UserError, match="holds a run on other images or labels"):
        call(4, 255 - digits.images)


def test_no_directory_leaves_nothing_behind_and_names_none(
    digits: Digits, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = kd.distill(digits.images, digits.labels, steps=1, kernel=FAST["kernel"])
    assert str(tmp_path) not in (told := capsys.readouterr().out)
    assert "predict" in told
    saved = result.save(tmp_path / "saved")
    del result
    gc.collect()
    assert list(tmp_path.iterdir()) == [saved]
    with pytest.raises(kd.UserError):
        kd.distill(digits.images, digits.labels, size=100_000)
    assert list(tmp_path.iterdir()) == [saved]


def test_a_preset_by_name_or_value_is_run_with_what_differs(tmp_path: Path) -> None:
    changed = replace(kd.preset("digits"), kernel=kd.KernelConfig("fc", 1), optim=kd.OptimConfig(steps=2))
    ran = kd.run(changed, tmp_path / "run", seed=3, evaluate={"baseline_draws": 1})
    assert ran.run == tmp_path / "run"
    assert ran.bundle.manifest.seed == 3
    assert ran.bundle.manifest.kernel == kd.KernelConfig("fc", 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: kd.distill(*d[:2], size=3), "support.size is 3, .* set support.size 10 or more"),
        (lambda d: kd.distill(*d[:2], size=800), "support.size is 800, which takes 80 real images of class 0"),
        (lambda d: kd.distill(*d[:2], optim={"stepz": 1}), "optim.stepz is not a setting, did you mean steps"),
        (
            lambda d: kd.distill(*d[:2], optim={"steps": "many"}),
            "optim.steps is 'many', allowed is a whole number",
        ),
        (lambda d: kd.distill(*d[:2], whiten="zca"), "data.whiten is 'zca', allowed is 'kip_zca'"),
        (lambda d: kd.distill(*d[:2], preset="digit"), "PRESET is 'digit', did you mean digits"),
        (lambda d: kd.distill(*d[:2], kernel={"depth": 9}), "kernel.depth is 9, but images of 8x8 pixels"),
        (lambda d: kd.run(replace(kd.preset("digits"), seed=-1)), "seed is -1, allowed is a whole number"),
        (lambda d: kd.run("digits", optim=kd.OptimConfig(steps=-1)), "optim.steps is -1"),
    ],
)
def test_an_impossible_value_is_refused_when_it_is_used(
    call: Callable[[Digits], object], message: str, digits: Digits
) -> None:
    with pytest.raises(kd.UserError, match=message) as refused:
        call(digits)
    assert "--" not in str(refused.value).replace("--help", "")


def test_the_settings_of_jax_are_the_callers_again(learned: kd.DistilledSet, digits: Digits) -> None:
    with jax.enable_x64(False):
        learned.predict(digits.test_images)
        assert jax.numpy.ones(1).dtype == np.float32
    assert jax.config.jax_numpy_dtype_promotion == "strict"


def test_a_stopped_call_saves_the_last_step_and_leaves_the_callers_signals(
    digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_after_two(progress: StepProgress, step: int, *_: object) -> None:
        if step == 2:
            signal.raise_signal(signal.SIGINT)

    def call() -> kd.DistilledSet:
        return kd.distill(digits.images, digits.labels, dir=tmp_path / "run", kernel=FAST["kernel"], steps=4)

    # A shell starts what it leaves in the background with SIGINT ignored, and Python keeps that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(StepProgress, "update", stop_after_two)
            with pytest.raises(KeyboardInterrupt):
                call()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "run" / "checkpoints").exists()
    call()
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert steps == [0, 1, 2, 3, 4]
