"""Digits through every format and back: kernel ridge regression tells what each loses, the rest loses nothing."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.bundle.formats import raw_pixels
from kerneldistill.bundle.formats.detect import read_foreign
from kerneldistill.bundle.formats.export_source import ExportSource
from kerneldistill.bundle.formats.exporter import export, show
from kerneldistill.bundle.formats.registry import WRITTEN
from kerneldistill.bundle.reader import read_bundle
from kerneldistill.errors import UserError
from kerneldistill.pipeline.prepared import Prepared, load
from kerneldistill.runs.directory import RunDir

NAMES = [name for name in WRITTEN if name != "tfds"]


@pytest.fixture(scope="module")
def prepared(finished: RunDir) -> Prepared:
    """The digits that the run was distilled from."""
    return load(finished.prepared)


@pytest.fixture(scope="module")
def exported(finished: RunDir, prepared: Prepared) -> ExportSource:
    """Its bundle."""
    return ExportSource(read_bundle(finished.bundle), finished.bundle, prepared)


def test_a_set_through_every_format_and_back_loses_what_is_printed(
    tmp_path: Path, exported: ExportSource, finished: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    losses = export(exported, NAMES, tmp_path / "out", tests=10_000)
    assert losses.tests == 360
    known = json.loads(finished.results_file.read_text())["learned"]
    # The bundle holds float32 of the float64 labels and images that were scored.
    assert losses.before.accuracy == pytest.approx(known["accuracy"], abs=1 / 360)
    by_name = {(row.format, row.what): row for row in losses.rows}
    assert {row.format for row in losses.rows} == {*NAMES} - {"png"}
    for (name, _), row in by_name.items():
        eight_bits = "8 bits" in row.lost
        assert eight_bits == (name == "imagefolder" or "image" in row.what.split())
        for score in (row.as_it_is, row.whitened_again):
            assert abs(score.accuracy - losses.before.accuracy) <= (0.05 if eight_bits else 1 / 360), row
            assert score.mse == pytest.approx(losses.before.mse, rel=0.1 if eight_bits else 1e-3)
    show(losses, tmp_path / "out")
    printed = capsys.readouterr().out
    assert printed.startswith("digits: test accuracy by kernel ridge regression, 360 test images\n")
    for row in losses.rows:
        assert re.search(rf"{re.escape(row.what)} +{100 * row.as_it_is.accuracy:.1f} %", printed)
    assert "hf column image, imagefolder: lost: 8 bits a channel" in printed
    assert re.search(r"hf column whitened.*: nothing is lost", printed)
    document = json.loads((tmp_path / "out" / "export.json").read_text())
    assert document["rows"][0]["as_it_is"] == [losses.rows[0].as_it_is.accuracy, losses.rows[0].as_it_is.mse]


def test_all_leaves_out_what_cannot_hold_the_set_and_says_why(
    tmp_path: Path, exported: ExportSource, capsys: pytest.CaptureFixture[str]
) -> None:
    class_ids = exported.bundle.class_ids.copy()
    class_ids[0] = 1
    uneven = replace(exported, bundle=replace(exported.bundle, class_ids=class_ids))
    names = ["kip", "dc", "mtt", "dd-ranking"]
    report = export(uneven, names, tmp_path, tests=0, leave_out=True)
    assert {*report.left_out} == {"dc", "dd-ranking"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export.json", "kip", "mtt"]
    assert json.loads((tmp_path / "export.json").read_text())["left_out"] == report.left_out
    show(report, tmp_path)
    assert "dc: left out: dc needs equally many images of each class, there are 0 to 2" in capsys.readouterr().out
    with pytest.raises(UserError, match="dc needs equally many"):
        export(uneven, names, tmp_path, tests=0)
    # What stands in the way is no matter of the format.
    (tmp_path / "mtt" / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match=r"mtt holds thesis\.tex"):
        export(uneven, names, tmp_path, tests=0, leave_out=True)


def test_without_the_data_nothing_is_measured_and_that_is_said(
    tmp_path: Path, exported: ExportSource, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = ExportSource(exported.bundle, exported.folder)
    show(export(alone, ["kip", "mtt"], tmp_path, tests=100), tmp_path)
    printed = capsys.readouterr().out
    assert "accuracy is not measured, the data are not at hand: give them with --prepared DIR" in printed
    show(export(exported, ["kip"], tmp_path, tests=0), tmp_path)
    assert "accuracy is not measured, --tests is 0" in capsys.readouterr().out


def test_what_was_exported_is_replaced_and_what_was_not_is_left(tmp_path: Path, exported: ExportSource) -> None:
    export(exported, ["dc", "kip"], tmp_path, tests=0)
    before = (tmp_path / "dc" / "res_DC_digits_ConvNet_1ipc.pt").read_bytes()
    (tmp_path / "kip" / "kip" / "mine.npz").write_bytes(b"x")
    export(exported, ["dc", "kip"], tmp_path, tests=0)
    assert (tmp_path / "dc" / "res_DC_digits_ConvNet_1ipc.pt").read_bytes() == before
    assert (tmp_path / "kip" / "kip" / "mine.npz").read_bytes() == b"x"
    (tmp_path / "dc" / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match=r"dc holds thesis\.tex, which is not of this export"):
        export(exported, ["dc"], tmp_path, tests=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dc", "export.json", "kip"]


def test_mirror_images_that_a_file_cannot_ask_for_are_told_as_lost(tmp_path: Path, exported: ExportSource) -> None:
    manifest = replace(exported.bundle.manifest, flip=True)
    flipped = replace(exported, bundle=replace(exported.bundle, manifest=manifest))
    losses = export(flipped, ["kip"], tmp_path, tests=100)
    (row,) = losses.rows
    assert "mirror images" in row.lost
    # The labels are float32 in the bundle, and exact where they are known to be one-hot.
    assert row.whitened_again.mse == pytest.approx(losses.before.mse, rel=1e-6)
    assert row.as_it_is.mse == pytest.approx(export(exported, ["kip"], tmp_path, tests=100).before.mse, rel=1e-6)
    assert abs(row.as_it_is.mse / losses.before.mse - 1) > 1e-3


def test_data_of_another_fingerprint_are_refused(exported: ExportSource, prepared: Prepared) -> None:
    other = replace(prepared, manifest=replace(prepared.manifest, fingerprint="0" * 64))
    with pytest.raises(UserError, match="give the folder that it was distilled from with --prepared"):
        replace(exported, prepared=other).check()


def test_raw_pixels_come_back_from_the_whitening_or_from_the_source(prepared: Prepared) -> None:
    pixels = raw_pixels.raw_test_pixels(prepared, 50)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(prepared.probe, pixels[:8])
    np.testing.assert_array_equal(prepared.whitener.apply(pixels), prepared.test.images[:50])
    # A whitening that forgets each image's scale: the source is read again.
    forgetful = replace(prepared, whitener=replace(prepared.whitener, per_image_norm=True))
    images = forgetful.whitener.apply(pixels)
    forgetful = replace(forgetful, test=replace(prepared.test, images=images, labels=prepared.test.labels[:50]))
    np.testing.assert_array_equal(raw_pixels.raw_test_pixels(forgetful, 50), pixels)
    changed = replace(forgetful, test=replace(forgetful.test, images=images[::-1].copy()))
    with pytest.raises(UserError, match="other test images now"):
        raw_pixels.raw_test_pixels(changed, 50)


def test_exports_are_imported(tmp_path: Path, exported: ExportSource) -> None:
    export(exported, ["kip", "dc", "mtt", "dd-ranking", "hf", "imagefolder"], tmp_path, tests=0)
    paths = [*(tmp_path / "kip").rglob("*.npz"), *(tmp_path / "dc").glob("*.pt"), tmp_path / "mtt"]
    paths += [tmp_path / name for name in ("dd-ranking", "hf", "imagefolder")]
    for path in paths:
        assert read_foreign(path).images.shape == exported.bundle.images.shape
