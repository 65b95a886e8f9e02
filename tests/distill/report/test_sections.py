"""The numbers in the sections, against what they are made of."""

from dataclasses import replace

import numpy as np
import pytest

from kerneldistill.algorithms.krr import Regression
from kerneldistill.evaluation.infinite_width import Prediction
from kerneldistill.report.document import (
    Beside,
    Chart,
    Confusion,
    Missing,
    Paragraph,
    Section,
    Sheet,
    Stats,
    Strip,
    Table,
)
from kerneldistill.report.regression import fault_of, fit_of, fit_of_start
from kerneldistill.report.report_entry import Absent
from kerneldistill.report.sections.certainty import (
    Predictor,
    calibration,
    calibration_error,
    certainty,
    error_by_deviation,
    predictors,
)
from kerneldistill.report.sections.confusion import confusion, confusion_counts
from kerneldistill.report.sections.flow import accuracy_in_time, flow, mse_in_time
from kerneldistill.report.sections.images import images
from kerneldistill.report.sections.learning import learning
from kerneldistill.report.sections.provenance import provenance
from kerneldistill.report.sections.scores import scores
from kerneldistill.report.sections.spectrum import band_accuracies, bands, eigenvalues, spectrum
from kerneldistill.report.sections.summary import lead_of, summary, title_of
from tests.helpers.reports import NAMES, S, T, make_entry, make_on_test, make_results

SUBJECT = make_entry()


def blocks(section: Section, kind: type) -> list:
    flat = [each for block in section.blocks for each in (block.blocks if isinstance(block, Beside) else [block])]
    return [block for block in flat if isinstance(block, kind)]


def solved():
    """A run of label-solve."""
    learned = SUBJECT.learned._replace(label_mode="label_solve", step=0)
    return replace(SUBJECT, learned=learned, results=make_results(label_mode="label_solve"), records=Absent("solved"))


def test_a_fit_is_kernel_ridge_regression() -> None:
    fit, on_test = fit_of(SUBJECT), SUBJECT.on_test
    alpha = Regression(on_test.ntk_ss.astype(float), SUBJECT.ridge).solve(SUBJECT.learned.labels)
    predictions = on_test.ntk_ts.astype(float) @ alpha
    np.testing.assert_allclose(fit.regressed, predictions, atol=1e-8)
    assert fit.accuracy(fit.regressed) == np.mean(predictions.argmax(1) == on_test.test_labels)
    truth = np.eye(3)[on_test.test_labels] - 1 / 3
    assert fit.mse(fit.regressed) == pytest.approx(0.5 * np.mean((predictions - truth) ** 2))


def test_the_kernel_of_the_run_is_taken() -> None:
    nngp = replace(SUBJECT, kernel=replace(SUBJECT.kernel, get="nngp"))
    np.testing.assert_array_equal(fit_of(nngp).blocks.ss, SUBJECT.on_test.nngp.ss)
    assert [p.name for p in predictors(nngp)] == ["NNGP posterior", "NTK ensemble"]


def test_confusion_counts_every_image_once() -> None:
    fit = fit_of(SUBJECT)
    counts = confusion_counts(fit)
    np.testing.assert_array_equal(counts.sum(axis=1), np.bincount(fit.truth, minlength=3))
    assert np.trace(counts) / counts.sum() == pytest.approx(fit.accuracy(fit.regressed))
    assert blocks(confusion([SUBJECT]), Confusion)[0].class_names == NAMES


def test_confusion_of_many_classes_is_a_list_of_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerneldistill.report.sections.confusion.MATRIX_CLASSES", 2)
    (table,) = blocks(confusion([SUBJECT]), Table)
    counts = confusion_counts(fit_of(SUBJECT))
    first = table.rows[0]
    assert first[0] != first[1]
    largest = (counts - np.diag(np.diag(counts))).max()
    assert first[2] == str(largest) == str(counts[NAMES.index(first[0]), NAMES.index(first[1])])


def test_bands_are_all_eigenvectors_once_and_the_spectrum_falls() -> None:
    fit = fit_of(SUBJECT)
    assert sorted(np.concatenate(bands(fit))) == list(range(S))
    assert bands(fit)[0][0] == S - 1
    index, values = eigenvalues(fit)
    assert (np.diff(values) <= 0).all()
    assert values.mean() == pytest.approx(1)
    assert list(index) == [1, 2, 3, 4, 5, 6]
    assert len(band_accuracies(fit)[1]) == 5


def test_a_kernel_that_knows_all_in_its_first_band_shows_it() -> None:
    # Two blocks of equal images: the class is in the largest eigenvalues, the rest is noise of the labels.
    ids = np.repeat([0, 1, 2], 2)
    k_ss = 5.0 * (ids[:, None] == ids) + np.eye(6)
    on_test = replace(
        make_on_test(),
        ntk_ss=k_ss,
        ntk_ts=5.0 * (np.arange(T)[:, None] % 3 == ids),
        test_labels=(np.arange(T) % 3).astype(np.int32),
    )
    fit = fit_of(replace(SUBJECT, on_test=on_test))
    first, *_, last = band_accuracies(fit)[1]
    assert first > 0.6 > last


def test_the_flow_begins_undecided_and_ends_at_the_regression() -> None:
    fit = fit_of(SUBJECT)
    times, accuracies = accuracy_in_time(fit)
    assert (np.diff(times) > 0).all()
    assert accuracies[-1] == fit.accuracy(fit.regressed)
    errors = mse_in_time(fit)[1]
    assert errors[-1] == pytest.approx(fit.mse(fit.regressed), rel=1e-3)
    assert errors[0] == pytest.approx(fit.mse(np.zeros_like(fit.regressed)), rel=0.1)
    assert [chart.name for chart in blocks(flow([SUBJECT]), Chart)] == ["flow-accuracy", "flow-mse"]


def known(confidence: list[float], right: list[bool]) -> Predictor:
    rows = np.array([[c, 1 - c] for c in confidence])
    fit = replace(fit_of(SUBJECT), truth=np.array([0 if r else 1 for r in right]))
    return Predictor("known", Prediction(rows - 0.5, np.arange(1.0, len(rows) + 1)), rows.max(1), fit)


def test_calibration_of_known_predictions() -> None:
    predictor = known([0.95, 0.95, 0.95, 0.95, 0.65, 0.65], [True, True, True, False, True, False])
    confidence, accuracy, counts = calibration(predictor)
    np.testing.assert_allclose(confidence, [0.65, 0.95])
    np.testing.assert_allclose(accuracy, [0.5, 0.75])
    np.testing.assert_array_equal(counts, [2, 4])
    assert calibration_error(predictor) == pytest.approx((2 * 0.15 + 4 * 0.2) / 6)
    deviation, error = error_by_deviation(predictor)
    np.testing.assert_allclose(deviation, np.sqrt(np.arange(1.0, 7)))
    np.testing.assert_allclose(error, [0.05, 0.05, 0.05, 0.95, 0.35, 0.65])


def test_strips_show_the_least_and_the_most_certain() -> None:
    least, most = blocks(certainty([SUBJECT]), Strip)
    confidence = predictors(SUBJECT)[0].confidence
    shown = [float(tile.lines[1].removesuffix("\N{NO-BREAK SPACE}%")) / 100 for tile in (*least.tiles, *most.tiles)]
    assert len(least.tiles) == len(most.tiles) == 10
    np.testing.assert_allclose(shown[:10], np.sort(confidence)[:10], atol=6e-4)
    np.testing.assert_allclose(shown[10:], np.sort(confidence)[::-1][:10], atol=6e-4)
    assert all(tile.right == ("not" not in tile.lines[0]) for tile in (*least.tiles, *most.tiles))


def test_scores_name_the_baselines_and_the_protocols() -> None:
    regression, protocols = blocks(scores([SUBJECT]), Table)
    cells = [" ".join(row) for row in regression.rows]
    assert cells[0].startswith("learned, step 12 75.0")
    assert "45.0\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}5.0" in cells[2]
    assert "dc, convnet-instance" in protocols.rows[0]
    assert "+20.0" in protocols.rows[0]


def test_a_solved_run_is_called_what_it_is() -> None:
    assert "real images" in title_of([solved()])
    assert "solved labels" in title_of([solved()])
    (sheet,) = blocks(images([solved()]), Sheet)
    assert sheet.contents.starts is None
    assert sheet.contents.labels is not None
    assert fit_of(solved()).name == "solved labels"
    assert fit_of_start(solved()).name == "one-hot labels"
    assert blocks(scores([solved()]), Table)[0].rows[0][0] == "labels solved"
    assert [missing.reason for missing in blocks(learning([solved()]), Missing)] == ["solved"]


def test_learning_curves_are_of_what_was_recorded() -> None:
    charts = blocks(learning([SUBJECT]), Chart)
    assert [chart.name for chart in charts] == [
        *("loss", "validation-accuracy", "gradient-norm", "condition-number"),
    ]
    assert "from 1 at 1 to 0.00444 at 15" in charts[0].alt


def test_the_average_is_drawn_beside_the_newest_over_steps_entries_and_seconds() -> None:
    records = [
        {"step": step, "entries": 100 * step, "elapsed": 2.0 * step}
        | {
            f"{name}_{score}": step / 10 + place
            for name, place in (("validation", 0.1), ("average_validation", 0.2))
            for score in ("accuracy", "mse")
        }
        for step in (1, 2, 3)
    ]
    entry = replace(SUBJECT, records=records, results=replace(SUBJECT.results, averaged=True))
    section = learning([entry])
    charts = {chart.name: chart.alt for chart in blocks(section, Chart)}
    over = {"": "1", "-entries": "100", "-seconds": "2"}
    assert set(charts) == {f"validation-{score}{x}" for score in ("accuracy", "mse") for x in over}
    for x, first in over.items():
        assert f"run: from 20.0 % at {first} to" in charts[f"validation-accuracy{x}"]
        assert f"run, mean of sets: from 30.0 % at {first} to" in charts[f"validation-accuracy{x}"]
    assert "the mean of the sets up to step" in blocks(section, Paragraph)[0].text
    assert "mean up to step" in blocks(scores([entry]), Table)[0].rows[0][0]


def test_the_summary_compares_runs() -> None:
    better = replace(make_entry("better", 1), results=make_results(learned=make_results().validation))
    comparison, made_of = blocks(summary([better, SUBJECT]), Table)
    assert comparison.strong == {1}
    assert comparison.rows[1][:4] == (
        "run",
        "75.0\N{NO-BREAK SPACE}%",
        "45.0\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}5.0\N{NO-BREAK SPACE}%",
        "+30.0",
    )
    assert [row[0] for row in made_of.rows] == ["better", "run"]
    other = replace(better, dataset="other 1.0.0")
    assert not blocks(summary([other, SUBJECT]), Table)[0].strong
    assert title_of([better, SUBJECT]) == "2 runs on tiny 1.0.0"
    assert len(blocks(summary([SUBJECT]), Stats)[0].stats) == 4


def test_settings_that_differ_are_listed() -> None:
    table = blocks(provenance([SUBJECT, make_entry("other", seed=3)]), Table)[0]
    assert table.header == ("setting", "run", "other")
    assert table.rows == [("seed", "0", "3")]
    (same,) = blocks(provenance([SUBJECT, make_entry("same")]), Paragraph)
    assert same.text == "All runs have the same settings."


@pytest.mark.parametrize(
    ("section", "part"),
    [
        (images, "learned"),
        (scores, "results"),
        (learning, "records"),
        (confusion, "on_test"),
        (certainty, "on_test"),
        (spectrum, "on_test"),
        (flow, "on_test"),
        (provenance, "config"),
        (provenance, "sessions"),
    ],
)
def test_what_is_absent_is_named_with_its_reason(section, part: str) -> None:
    lacking = replace(SUBJECT, **{part: Absent("the moon is full")})
    assert "the moon is full" in [missing.reason for missing in blocks(section([lacking]), Missing)]


def test_of_several_the_one_that_lacks_something_is_named() -> None:
    lacking = replace(SUBJECT, on_test=Absent("the moon is full"))
    (missing,) = blocks(confusion([lacking, make_entry("other")]), Missing)
    assert missing.what == "run: the confusion matrix"


def test_a_run_that_has_not_ended_still_has_a_title() -> None:
    begun = replace(SUBJECT, **dict.fromkeys(("learned", "results", "on_test"), Absent("not yet")))
    assert title_of([begun]) == "A run on tiny 1.0.0 that has not ended"
    assert "whitened by standard." in lead_of([begun])


def test_a_few_test_images_of_many_are_said_to_be() -> None:
    few = replace(SUBJECT, on_test=replace(SUBJECT.on_test, test_size=1000))
    assert "40 of the 1,000 test images" in blocks(confusion([few]), Confusion)[0].caption


def test_kernels_that_cannot_be_inverted_cost_only_what_needs_them() -> None:
    broken = replace(SUBJECT, on_test=replace(SUBJECT.on_test, nngp_ss=-np.eye(S), start_ss=-np.eye(S)))
    assert fit_of_start(broken) is None
    assert fault_of(fit_of(broken)) is None
    assert [p.name for p in predictors(broken)] == ["NTK ensemble"]
    (missing,) = blocks(certainty([broken]), Missing)
    assert "beside the NTK ensemble" in missing.what
    assert all(">start<" not in chart.svg for chart in blocks(spectrum([broken]), Chart))
    assert "eigenvalue" in fault_of(fit_of(replace(SUBJECT, on_test=replace(SUBJECT.on_test, ntk_ss=-np.eye(S)))))
