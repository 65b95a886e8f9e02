"""What a report shows of studies."""

from dataclasses import replace

from kerneldistill.evaluation.studies import Curve, CurveStudy, RateSeries, RateStudy, RateTrial, Studies
from kerneldistill.report.document import Beside, Missing, Paragraph, Table
from kerneldistill.report.html import html
from kerneldistill.report.report import compose
from kerneldistill.report.sections.training import training
from tests.helpers.pages import Page
from tests.helpers.reports import make_entry


def curve_study() -> CurveStudy:
    real, linear = Curve((0.1, 0.5, 0.9), (0.09, 0.04, 0.01)), Curve((0.1, 0.4, 0.8), (0.09, 0.05, 0.02))
    return CurveStudy("mlp", "5" * 64, 0, 0.25, (0, 1, 100), real, linear, 1.5)


def rate_study() -> RateStudy:
    """Two seeds and two factors, where the wide standard networks diverge at both."""

    def trial(factor: float, seed: int, outcome: str) -> RateTrial:
        fine = outcome != "diverged"
        last, accuracy = (0.01 / factor, 0.75 + 0.1 * seed) if fine else (None, None)
        return RateTrial(factor, factor * 0.4, seed, 0.05, 0.05 if fine else None, last, last, accuracy, outcome)

    def series(width: int, kind: str, *outcomes: str) -> RateSeries:
        trials = [trial(f, s, out) for f, out in zip((0.5, 2.0), outcomes, strict=True) for s in (0, 1)]
        return RateSeries(width, kind, (0.4, 0.4), tuple(trials))

    every = (
        series(128, "standard", "stable", "catapult"),
        series(1024, "standard", "diverged", "diverged"),
        series(1024, "mu", "stable", "stable"),
    )
    return RateStudy("mlp", "5" * 64, 300, every, 12.0)


def test_curves_are_drawn_over_each_other_and_rates_have_their_table() -> None:
    section = training([make_entry(studies=Studies((rate_study(),), (curve_study(),)))])
    kinds = [type(block) for block in section.blocks]
    assert kinds == [Paragraph, Beside, Table, Paragraph, Table, Paragraph]
    accuracy, error = section.blocks[1].blocks
    assert "mlp: from 50.0 % at 1 to 90.0 % at 100" in accuracy.alt
    assert "test mse" in error.alt
    assert section.blocks[2].rows[0][3:5] == ("90.0 %", "80.0 %")
    rates, words = section.blocks[4:]
    assert rates.rows[0] == ("0.5", "0.02, 80.0 %", "diverged", "0.02, 80.0 %")
    assert rates.rows[1] == ("2", "0.005, 80.0 %, catapult 2 of 2", "diverged", "0.005, 80.0 %")
    assert "the rate that is best on validation at width 128, 0.8 (2 of the largest stable)" in words.text
    assert "in the standard parameterisation diverged, in mu 0.005" in words.text


def test_what_was_not_studied_is_said_with_its_command() -> None:
    section = training([make_entry(studies=Studies(curves=(curve_study(),)))])
    (lacking,) = [block for block in section.blocks if isinstance(block, Missing)]
    assert "--study rates" in lacking.reason
    assert len([block for block in training([make_entry()]).blocks if isinstance(block, Missing)]) == 2


def test_several_runs_have_drawings_of_their_own_names() -> None:
    one = make_entry("one", studies=Studies((), (curve_study(),)))
    page = Page(html(compose([one, replace(make_entry("two", seed=1), studies=one.studies)])))
    labels = [e.attributes["aria-label"] for e in page.named("svg")]
    assert sum("test accuracy while training" in label for label in labels) == 2
    assert "two: test accuracy while training" in page.text
