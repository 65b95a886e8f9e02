"""What a user sees while something goes on: a moving line on a terminal, elsewhere a line now and then."""

import io
import time

import pytest
from rich.console import Console

from kerneldistill.runtime import console, once, progress, step_progress
from kerneldistill.runtime.progress import SILENCE, WORTH_TELLING, Activity, Display, activity, parts
from kerneldistill.runtime.step_progress import StepProgress


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time as the progress sees it."""
    found = Clock()
    for module in (progress, step_progress, console, once):
        monkeypatch.setattr(module, "time", type("Time", (), {"perf_counter": found}))
    monkeypatch.setattr(console, "_told_at", 0.0)
    return found


def stream(terminal: bool) -> tuple[Console, io.StringIO]:
    buffer = io.StringIO()
    return Console(file=buffer, force_terminal=terminal, width=120), buffer


def test_a_short_activity_is_not_told_of_in_a_file_and_a_long_one_never_falls_silent(clock: Clock) -> None:
    shown, buffer = stream(terminal=False)
    display = Display(shown)
    with display.showing(Activity("preparing digits", 100, "images")) as told:
        clock.now += WORTH_TELLING / 2
        display.tick()
        assert buffer.getvalue() == ""
        clock.now += WORTH_TELLING
        told.update(40)
        display.tick()
        display.tick()
        assert buffer.getvalue() == "preparing digits  40 of 100 images ...\n"
        clock.now += SILENCE + 1
        display.tick()
    assert buffer.getvalue().splitlines()[1:] == ["preparing digits  40 of 100 images ...  (29.0s)"]


def test_what_is_told_otherwise_breaks_the_silence(clock: Clock) -> None:
    shown, buffer = stream(terminal=False)
    display = Display(shown)
    with display.showing(Activity("learning")) as told:
        told.told = True
        clock.now += SILENCE - 1
        console.tell("step 1/2")
        clock.now += SILENCE - 1
        display.tick()
    assert buffer.getvalue() == "step 1/2\n"


def test_compiling_is_told_once_for_each_activity(clock: Clock) -> None:
    shown, buffer = stream(terminal=False)
    display = Display(shown)
    with display.showing(Activity("learning")) as told:
        told.told = True
        for _ in range(2):
            with once.once(once.COMPILING):
                clock.now += WORTH_TELLING + 1
                display.tick()
    assert buffer.getvalue() == "learning  compiling ...\n"


def test_what_is_done_once_counts_once_though_it_is_inside_another(clock: Clock) -> None:
    before = once.seconds()
    with once.once("deviations"):
        clock.now += 1
        with once.once(once.COMPILING):
            clock.now += 2
            found = once.doing()
            assert found is not None
            assert (found.name, clock.now - found.since) == (once.COMPILING, 3)
            assert once.seconds() - before == 3
    clock.now += 5
    assert once.seconds() - before == 3
    assert once.doing() is None


def test_jax_tells_when_it_compiles() -> None:
    import jax

    once.watch_compiler()
    seen: list[once.Doing | None] = []

    def function(x: jax.Array) -> jax.Array:
        seen.append(once.doing())
        return x * 3 + 1

    before, began = once.seconds(), time.perf_counter()
    compiled = jax.jit(function)
    compiled(1.0)
    spent = once.seconds() - before
    assert 0 < spent <= time.perf_counter() - began
    assert [found and found.name for found in seen] == [once.COMPILING]
    assert once.doing() is None
    compiled(2.0)
    assert once.seconds() - before == spent


def test_a_part_of_a_pass_is_told_with_the_activity() -> None:
    with activity("evaluating") as told:
        lines = [told.line() for _ in parts(["a", "b"])]
        assert lines == ["evaluating  part 1 of 2", "evaluating  part 2 of 2"]
        assert told.line() == "evaluating"
        assert [told.line() for _ in parts(["a"])] == ["evaluating"]


def test_a_terminal_shows_what_goes_on_as_it_does_and_leaves_nothing_of_it() -> None:
    shown, buffer = stream(terminal=True)
    display = Display(shown)
    with display.showing(Activity("preparing [digits]", 100, "images")) as told:
        told.update(40)
        time.sleep(0.6)
        console.tell("a line above")
    text = buffer.getvalue()
    assert "preparing [digits]  40 of 100 images" in text
    assert "━" in text
    assert "a line above" in text
    assert text.rstrip().endswith(("\x1b[2K", "\x1b[?25h"))


def test_the_terminal_is_left_in_order_after_an_error() -> None:
    shown, buffer = stream(terminal=True)
    with pytest.raises(ZeroDivisionError), Display(shown).showing(Activity("learning")):
        raise ZeroDivisionError
    assert "\x1b[?25h" in buffer.getvalue()


def test_no_estimate_contains_what_the_first_step_does_once(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with StepProgress(60, 20, lambda: clock.now - once.seconds()) as steps:
        clock.now += 50
        steps.begin()
        for step in range(21, 61):
            if step == 21:
                with once.once(once.COMPILING):
                    clock.now += 300
            clock.now += 3 if step == 21 else 2
            steps.update(step, 1 / step, 0.875 if step == 30 else None)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "step 21/60  loss 0.04762  3.0s/step  1m57s left"
    assert lines[1] == "step 30/60  loss 0.03333  validation 87.5%  2.0s/step  1m00s left"
    assert lines[-1] == "step 60/60  loss 0.01667  validation 87.5%  2.0s/step"


def test_the_time_of_a_step_is_that_of_the_newest(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with StepProgress(100, 0, clock) as steps:
        for step in range(1, 51):
            clock.now += 1 if step <= 25 else 4
            steps.update(step, 0.5, 0.5 if step == 50 else None)
    assert (
        capsys.readouterr().err.splitlines()[-1] == "step 50/100  loss 0.50000  validation 50.0%  4.0s/step  3m20s left"
    )
