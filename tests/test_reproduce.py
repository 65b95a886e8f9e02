"""The published tables: their rows are valid, records say what was run, the documents show what the records hold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kerneldistill as kd
from kerneldistill.bundle.manifest import Origin
from kerneldistill.config.presets import PRESETS
from kerneldistill.errors import UserError
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.sweep.cases import Case, cases_of
from scripts.reproduce.gaps import WHY, beside, gap, gap_notes
from scripts.reproduce.groups import groups_of, random_real
from scripts.reproduce.jpeg import compressed
from scripts.reproduce.judge import with_protocols
from scripts.reproduce.photographs import arrays
from scripts.reproduce.record import Cost, Record, record_of
from scripts.reproduce.released import record_of_bundle
from scripts.reproduce.run import TABLES, command_of, cost_of, costs_recorded, rows_of
from scripts.reproduce.table import (
    END,
    ROOT,
    documents,
    hours,
    network_table,
    regression_table,
    trial_table,
    with_table,
)
from tests.helpers.bundles import make_source
from tests.helpers.foreign import make_exported
from tests.helpers.protocol_results import protocol_result, trained

FILES = sorted(TABLES.glob("*.toml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_row_has_a_name_and_its_record_is_of_a_row(file: Path) -> None:
    names = [case.name for case in cases_of(file)]
    assert len(set(names)) == len(names)
    assert not any("=" in name for name in names)  # given, not made of settings
    assert {record.stem for record in (TABLES / "records" / file.stem).glob("*.json")} <= {*names}


def test_the_documents_show_what_the_records_hold() -> None:
    for name, text in documents().items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, "run python -m scripts.reproduce.table"


def test_a_record_holds_what_a_run_left_and_comes_back_whole(finished: RunDir, tmp_path: Path) -> None:
    found = record_of(finished, "kdistill run digits", Cost(2.0, 3.0, 10**9))
    found.save(tmp_path / "a" / "b.json")
    assert Record.load(tmp_path / "a" / "b.json") == found
    assert found.settings == finished.config()
    assert found.entries == found.curve[-1].entries > 0
    assert found.num_test == 360


def test_levels_of_the_same_size_are_told_by_what_they_change(finished: RunDir) -> None:
    found = record_of(finished, "kdistill run digits", None)
    levels = {**found.config, "coarse": ["optim.steps=7", "loss.name=mse,optim.steps=3"]}
    text = regression_table([[replace(found, config=levels)]])
    assert ", 7 steps of adam, 3 steps of adam (mse), " in text
    assert "()" not in text


def test_runs_that_differ_in_their_seed_are_one_row(finished: RunDir, tmp_path: Path) -> None:
    one = record_of(finished, "COMMAND", Cost(2.0, 60.0, 10**9))
    other = replace(one, config={**one.config, "seed": 5}, test=replace(one.test, accuracy=one.test.accuracy - 0.1))
    for number, record in enumerate([one, other, replace(one, label_mode="learned", cost=None)]):
        record.save(tmp_path / "t" / f"{number}.json")
    groups = groups_of(tmp_path)
    assert [len(group) for group in groups] == [2, 1]
    _, _, pair, single = regression_table(groups).split("\n\n")[0].splitlines()
    assert f"{100 * one.test.accuracy - 5:.1f} ± 5.0 % (2)" in pair
    assert "| 1m00s | `COMMAND` |" in pair
    assert "labels learned" in single
    assert one.random_real
    assert one.start is not None
    draws = len(one.random_real) + 1  # the real images that it began as
    assert f"({2 * draws}) |" in pair  # the third has those of the first
    assert f"({2 * draws}) |" in single
    from_noise = replace(one, config={**one.config, "support": {**one.config["support"], "start": "noise"}})
    assert len(random_real(from_noise, [[from_noise]])) == len(one.random_real)
    assert "(1)" in single
    assert network_table(groups) == "No run is on record yet."


def test_networks_have_a_row_for_each_protocol_and_a_paper_s_figure(finished: RunDir, tmp_path: Path) -> None:
    one = record_of(finished, "COMMAND", None)
    data = {**one.config["data"], "name": "cifar10"}
    judged = replace(one, dataset="cifar10 3", protocols=(protocol_result(), protocol_result(protocol="krr")))
    made = {"maker": "RFAD", "support_size": 10}
    kernel = {**one.config["kernel"], "network": "conv_net", "depth": 2}
    small = {**one.config, "data": {**data, "height": 16, "width": 16, "resize": "box"}, "kernel": kernel}
    for number, record in enumerate([judged, replace(judged, **made), replace(judged, config=small)]):
        record.save(tmp_path / "t" / f"{number}.json")
    groups = groups_of(tmp_path)
    rows = network_table(groups).splitlines()[2:]
    assert [("49.9 %" in row, "53.6 %" in row) for row in rows].count((False, False)) == 1  # of the smaller images
    assert sum("53.6 %" in row for row in rows) == 1
    assert all("| dc, convnet-in | 2 | **65.0 ± 5.0 %** | 55.0 ± 5.0 % | 45.0 ± 5.0 % |" in row for row in rows)
    assert "at 16x16" not in regression_table(groups)
    assert len(trial_table(groups).splitlines()) == 3


def test_a_gap_is_measured_from_the_nearest_published_figure() -> None:
    assert gap([0.6, 0.62], (63.4, 64.7)) == pytest.approx(-2.4)
    assert gap([0.64], (63.4, 64.7)) == 0
    assert gap([0.66], (63.4, 64.7)) == pytest.approx(1.3)
    assert beside((63.4, 64.7), [0.6]) == "63.4 / 64.7 % (-3.4)"
    assert beside((63.4, 64.7), [0.64]) == "63.4 / 64.7 %"
    assert beside((), [0.6]) == ""


def test_rows_that_are_far_from_the_paper_are_explained_or_marked(finished: RunDir, tmp_path: Path) -> None:
    one = record_of(finished, "COMMAND", Cost(2.0, 3600.0, 10**9))
    kernel = {**one.config["kernel"], "network": "conv_net"}
    config = {**one.config, "data": {**one.config["data"], "name": "mnist"}, "kernel": kernel}
    far = replace(one, dataset="mnist 3", config=config, support_size=10, label_mode="label_solve")
    for number, accuracy in enumerate([0.731, 0.5, 0.6]):  # 73.4 is published
        seeded = {**config, "krr": {**config["krr"], "ridge": 10.0**-number}}
        record = replace(far, config=seeded, test=replace(far.test, accuracy=accuracy))
        record.save(tmp_path / "t" / f"{number}.json")
    groups = groups_of(tmp_path)
    why = WHY.get(("mnist", 10, "Label Solve"), "**unexplained**")
    assert gap_notes(groups) == f"- MNIST, 10 images, Label Solve: -23.4 to -13.4 points: {why}"
    assert gap_notes(groups) in regression_table(groups)
    assert hours(groups).startswith("The sets of all tables took 3.0 hours")
    assert hours([]) == ""


def test_a_table_goes_between_its_marks() -> None:
    text = f"a\nMARK\nold\n{END}\nb\n"
    assert with_table(text, "MARK", "new") == f"a\nMARK\n\nnew\n\n{END}\nb\n"
    with pytest.raises(ValueError, match="needs the lines"):
        with_table("a", "MARK", "new")


def test_a_row_is_made_by_the_preset_or_by_the_program() -> None:
    cases = {case.name: case for case in cases_of(TABLES / "cifar10-1.toml")}
    assert command_of("cifar10-1", cases["long"]) == "kdistill run cifar10-convnet-1 --data.dir DIR"
    assert command_of("cifar10-1", cases["fixed"]) == "python -m scripts.reproduce.run cifar10-1 fixed --data-dir DIR"
    digits = Case("x", "run", "digits", replace(PRESETS["digits"], seed=1))
    assert command_of("digits", digits) == "python -m scripts.reproduce.run digits x"


def test_the_data_of_a_row_may_be_elsewhere_and_its_name_must_be_one(tmp_path: Path) -> None:
    (row,) = rows_of("cifar10-1", ["fixed"], tmp_path)
    assert row.config.data.dir == str(tmp_path)
    (digits,) = rows_of("digits", ["mse"], tmp_path)
    assert digits.config.data.dir is None
    with pytest.raises(UserError, match="allowed are: learned"):
        rows_of("cifar10-1", ["none"], None)


def test_costs_of_all_sessions_are_added(tmp_path: Path) -> None:
    rundir = RunDir(tmp_path / "run")
    assert cost_of(rundir) is None
    with costs_recorded(rundir):
        pass
    with pytest.raises(KeyboardInterrupt), costs_recorded(rundir):
        raise KeyboardInterrupt
    found = cost_of(rundir)
    assert found is not None
    assert found.peak_bytes > 0
    assert 0 <= found.processor_seconds <= found.seconds + 1
    assert len((rundir.path / "costs.jsonl").read_text().splitlines()) == 2


def test_photographs_become_a_set_without_a_pixel_in_both_splits(tmp_path: Path) -> None:
    found = arrays()
    np.savez(tmp_path / "photographs.npz", allow_pickle=False, **found)
    config = next(c.config for c in cases_of(TABLES / "images-64.toml") if c.name == "photographs")
    source = open_source(replace(config.data, dir=str(tmp_path / "photographs.npz")))
    assert (source.image_shape, source.class_names) == ((64, 64, 3), ("china", "flower"))
    assert {split: source.num_examples(split) for split in ("train", "test")} == {"train": 1242, "test": 322}
    first = {square.tobytes() for square in found["x_train"][:, 0]}
    assert not first & {square.tobytes() for square in found["x_test"][:, 0]}


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_keeps_a_picture_s_size_and_loses_more_at_less_quality(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, channels), np.uint8)
    picture = Image.fromarray(image[..., 0] if channels == 1 else image)
    lost = [np.square(compressed(picture, quality) - image.astype(float)).mean() for quality in (90, 50, 10)]
    assert compressed(picture, 90).shape == image.shape
    assert 0 < lost[0] < lost[1] < lost[2]


@pytest.mark.slow
def test_a_hundred_classes_are_learned_by_the_recipe_of_cifar100() -> None:
    case = next(c.config for c in cases_of(TABLES / "images-100.toml") if c.name == "cifar100")
    labels = np.repeat(np.arange(100), 4)
    pixels = np.random.default_rng(0).integers(0, 200, (100, 4, 4, 3))
    images = (pixels[labels] + np.arange(len(labels))[:, None, None, None] % 7).astype(np.uint8)
    optim = {"name": case.optim.name, "steps": 2, "target_batch": 100, "gauss_newton": {"memory": 200}}
    learned = kd.distill(
        images,
        labels,
        size=case.support.size,
        whiten=case.data.whiten,
        kernel={"network": "fc", "depth": 1},
        support={"learn_labels": case.support.learn_labels},
        optim=optim,
        evaluate={"baseline_draws": 0},
    )
    assert (learned.images.shape, learned.labels.shape) == ((100, 4, 4, 3), (100, 100))
    assert learned.class_ids.tolist() == list(range(100))
    assert learned.accuracy is not None
    assert learned.accuracy > 0.9


def test_what_is_found_of_a_packed_set_is_added_to_the_record_of_its_run(finished: RunDir) -> None:
    one = record_of(finished, "COMMAND", None)
    record = replace(one, random_real=(), protocols=(protocol_result(), protocol_result(protocol="kip")))
    krr = protocol_result(protocol="krr", learned=trained(0.6), random_real=trained(0.2, 0.3))
    packed = {"support_sha256": "6" * 64}
    again, new = protocol_result(learned=trained(0.1), **packed), protocol_result(protocol="dsa", **packed)
    found = with_protocols(record, [again, krr, new])
    assert [result.protocol for result in found.protocols] == ["kip", "dc", "dsa"]
    assert found.protocols[1].learned.accuracies == (0.1,)
    assert found.test == one.test
    assert [real.accuracy for real in found.random_real] == [0.2, 0.3]
    assert with_protocols(one, [krr]).random_real == one.random_real


def test_the_set_of_others_is_kept_by_what_was_measured(tmp_path: Path) -> None:
    bundle = make_exported(tmp_path / "bundle").bundle
    origin = Origin("best.npz", "0" * 64, "npz of RFAD", "NCHW", "learned", "whitened")
    bundle = replace(bundle, manifest=replace(bundle.manifest, origin=origin))
    judged = (protocol_result(), protocol_result(protocol="krr", learned=trained(0.6), random_real=trained(0.2, 0.3)))
    found = record_of_bundle(bundle, make_source(), judged, "RFAD")
    assert (found.test.accuracy, [real.accuracy for real in found.random_real]) == (0.6, [0.2, 0.3])
    assert (found.maker, found.support_size, found.num_test) == ("RFAD", 6, 450)
    found.save(tmp_path / "t" / "a.json")
    assert Record.load(tmp_path / "t" / "a.json") == found
