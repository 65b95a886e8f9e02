"""Sets of other programs: layouts, labels, and sniffing."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.bundle.formats import flax_msgpack
from kerneldistill.bundle.formats.detect import read_foreign
from kerneldistill.bundle.formats.export_source import nchw
from kerneldistill.bundle.formats.foreign_set import foreign_set, labels_of
from kerneldistill.bundle.formats.torch_archive import torch_bytes
from kerneldistill.errors import UserError
from tests.helpers.foreign import NUM_CLASSES, flax_bytes, make_arrays, write_flax

IMAGES, LABELS = make_arrays()
IDS = LABELS.argmax(1)
RELEASED = Path(__file__).parents[5] / "shared" / "data" / "released"


def write(folder: Path, kind: str) -> Path:
    """The set in a file of some program."""
    path = folder / kind
    match kind:
        case "kip.npz":
            np.savez(path, images=IMAGES, labels=LABELS)
        case "rfad.npz":
            np.savez(path, images=nchw(IMAGES), labels=LABELS, k=np.float32(3.7), jit=0.005, valid_loss=1.1)
        case "frepo.npz":
            np.savez(path, image=IMAGES, label=LABELS)
        case "packed.npz":
            np.savez_compressed(path, images=np.asfortranarray(IMAGES), labels=LABELS.astype(np.float64))
        case "rcig.msgpack":
            write_flax(path, IMAGES, LABELS)
        case "frepo.ckpt":
            path.write_bytes(flax_bytes({"params": {"x_proto": IMAGES, "y_proto": LABELS}}))
        case "res_DC.pt":
            older = [nchw(IMAGES) + 1, IDS]
            value = {"data": [older, [nchw(IMAGES), IDS]], "accs_all_exps": {"ConvNet": [0.5]}}
            path.write_bytes(torch_bytes(value, "res_DC"))
        case "images_best.pt":
            path.write_bytes(torch_bytes(nchw(IMAGES), "images_best"))
            (folder / "labels_best.pt").write_bytes(torch_bytes(LABELS, "labels_best"))
        case "folder":
            path.mkdir()
            (path / "images.pt").write_bytes(torch_bytes(nchw(IMAGES), "images"))
            (path / "labels.pt").write_bytes(torch_bytes(IDS, "labels"))
    return path


KINDS = {
    "kip.npz": ("npz of KIP", "NHWC", None),
    "rfad.npz": ("npz of RFAD", "NCHW", None),
    "frepo.npz": ("npz of FRePo", "NHWC", None),
    "packed.npz": ("npz of KIP", "NHWC", None),
    "rcig.msgpack": ("checkpoint of RCIG, ema_average", "NHWC", 15000),
    "frepo.ckpt": ("checkpoint of FRePo, params", "NHWC", None),
    "res_DC.pt": ("result of DC", "NCHW", None),
    "images_best.pt": ("tensors of MTT", "NCHW", None),
    "folder": ("tensors of MTT", "NCHW", None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_program_is_known_by_its_content(tmp_path: Path, kind: str) -> None:
    found = read_foreign(write(tmp_path, kind))
    assert (found.kind, found.layout, found.step) == KINDS[kind]
    np.testing.assert_array_equal(found.images, IMAGES)
    np.testing.assert_allclose(labels_of(found, NUM_CLASSES).values, LABELS, atol=1e-6)
    assert labels_of(found, NUM_CLASSES).class_ids.tolist() == IDS.tolist()


@pytest.mark.parametrize(("name", "step"), [("ConvNet_ssize6_zca_nol_noaug_ckpt1000", 1000), ("step000100", 100)])
def test_the_step_is_in_the_name(tmp_path: Path, name: str, step: int) -> None:
    shutil.copy(write(tmp_path, "kip.npz"), tmp_path / f"{name}.npz")
    assert read_foreign(tmp_path / f"{name}.npz").step == step


def test_a_suffix_says_nothing(tmp_path: Path) -> None:
    for kind in ("kip.npz", "rcig.msgpack", "res_DC.pt"):
        shutil.copy(write(tmp_path, kind), tmp_path / "data.bin")
        assert read_foreign(tmp_path / "data.bin").kind == KINDS[kind][0]


@pytest.mark.parametrize(
    ("labels", "form"),
    [
        (IDS, "class numbers"),
        (IDS[:, None].astype(np.float32), "class numbers"),
        (LABELS, "centred one-hot"),
        (LABELS + 1 / 3, "one-hot"),
        (0.7 * LABELS + 1 / 3, "probabilities"),
        (2 * LABELS + 1, "learned"),
    ],
)
def test_labels_are_brought_to_one_form(labels: np.ndarray, form: str) -> None:
    found = labels_of(foreign_set("x", IMAGES, labels), NUM_CLASSES)
    assert found.form == form
    assert found.values.dtype == np.float64
    assert found.class_ids.tolist() == IDS.tolist()
    truth = {"probabilities": 0.7 * LABELS, "learned": 2 * LABELS + 1}.get(form, LABELS)
    np.testing.assert_allclose(found.values, truth, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "labels", "layout", "message"),
    [
        (IMAGES[0], LABELS, None, "allowed is"),
        (np.zeros((0, 4, 4, 3)), LABELS[:0], None, "allowed is"),
        (np.zeros((2, 2000, 4, 3)), LABELS[:2], None, "allowed is"),
        (IMAGES.astype(np.int64), LABELS, None, "images are int64"),
        (np.zeros((6, 3, 5, 3)), LABELS, None, "both axes could be the channels: say which with --layout"),
        (np.zeros((6, 5, 5, 5)), LABELS, None, "no axis has"),
        (IMAGES, LABELS[:5], None, "labels are"),
        (IMAGES * np.inf, LABELS, None, "images go from .* finite numbers"),
        (IMAGES, LABELS * np.nan, None, "labels go from .* finite numbers"),
    ],
)
def test_what_is_no_set_is_refused(images: np.ndarray, labels: np.ndarray, layout: str | None, message: str) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(UserError, match=message):
        foreign_set("x", images, labels, layout)


@pytest.mark.parametrize(
    ("labels", "message"),
    [(IDS + 1, "whole numbers from 0 to 2"), (IDS + 0.5, "whole numbers"), (LABELS[:, :2], "of 2 classes")],
)
def test_labels_of_other_data_are_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        labels_of(foreign_set("x", IMAGES, labels), NUM_CLASSES)


def test_the_layout_can_be_said(tmp_path: Path) -> None:
    square = np.moveaxis(np.random.default_rng(0).normal(size=(6, 3, 5, 3)).astype(np.float32), 1, 1)
    np.savez(tmp_path / "x.npz", images=square, labels=LABELS)
    assert read_foreign(tmp_path / "x.npz", "NCHW").images.shape == (6, 5, 3, 3)
    assert read_foreign(tmp_path / "x.npz", "NHWC").images.shape == (6, 3, 5, 3)


def test_images_without_labels_and_other_files_say_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "images_best.pt").write_bytes(torch_bytes(nchw(IMAGES), "x"))
    np.savez(tmp_path / "only.npz", images=IMAGES)
    (tmp_path / "list.pt").write_bytes(torch_bytes({"data": []}, "x"))
    (tmp_path / "other.msgpack").write_bytes(flax_bytes({"params": {"w": IMAGES}}))
    for name, message in (
        ("images_best.pt", "their labels belong beside them"),
        ("only.npz", r"needed is one of labels and label"),
        ("list.pt", "no list `data`"),
        ("other.msgpack", "without x_proto"),
        ("absent", "not there"),
    ):
        with pytest.raises(UserError, match=message):
            read_foreign(tmp_path / name)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"params": {"x_proto": np.zeros((2, 2), "M8[s]"), "y_proto": LABELS}}, "holds an array of 'datetime64"),
        ({"params": {str(number): 0 for number in range(2000)}}, "exceeds max_map_len"),
        ({"params": list(range(2000))}, "exceeds max_array_len"),
    ],
)
def test_msgpack_is_held_to_limits(tmp_path: Path, tree: dict[str, object], message: str) -> None:
    (tmp_path / "x").write_bytes(flax_bytes(tree))
    with pytest.raises(UserError, match=message):
        read_foreign(tmp_path / "x")


def test_flax_writes_what_is_read(tmp_path: Path) -> None:
    from flax.serialization import msgpack_serialize

    tree = {"step": np.array(7), "params": {"x_proto": IMAGES, "y_proto": LABELS, "log_temp": np.float32(1)}}
    (tmp_path / "x").write_bytes(msgpack_serialize(tree))
    found = flax_msgpack.read(tmp_path / "x")
    np.testing.assert_array_equal(found.images, IMAGES)
    assert found.step == 7


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rfad_cifar10_ipc1.npz", ("npz of RFAD", 10, "NCHW", "centred one-hot", None)),
        ("rfad_cifar10_ipc10.npz", ("npz of RFAD", 100, "NCHW", "centred one-hot", None)),
        ("rcig_cifar10_ipc1.flax_msgpack", ("checkpoint of RCIG, ema_average", 10, "NHWC", "learned", 15000)),
    ],
)
def test_released_sets_are_read(name: str, expected: tuple[str, int, str, str, int | None]) -> None:
    if not (RELEASED / name).is_file():
        pytest.skip(f"{name} is not in ../shared/data/released")
    found = read_foreign(RELEASED / name)
    labels = labels_of(found, 10)
    assert (found.kind, len(found.images), found.layout, labels.form, found.step) == expected
    assert found.images.shape[1:] == (32, 32, 3)
    assert np.bincount(labels.class_ids, minlength=10).tolist() == [expected[1] // 10] * 10
