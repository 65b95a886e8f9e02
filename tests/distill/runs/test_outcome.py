"""An outcome comes back as it was, or is refused: damaged, or another run's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerneldistill.algorithms.support import Start, Support
from kerneldistill.errors import UserError
from kerneldistill.runs.outcome import Outcome
from tests.helpers.bundles import SHAPE, make_source


@pytest.fixture
def outcome() -> Outcome:
    rng = np.random.default_rng(0)
    support = Support(rng.standard_normal((3, *SHAPE)).astype(np.float32), rng.standard_normal((3, 3)))
    began_as = Support(support.images + 1, support.labels - 1)
    return Outcome(support, Start(began_as, np.array([7, 3, 150]), np.arange(3, dtype=np.int32)), 12, "learned", 1e-6)


def assert_same(found: Outcome, truth: Outcome) -> None:
    assert (found.step, found.label_mode) == (truth.step, truth.label_mode)
    for a, b in [
        (found.support.images, truth.support.images),
        (found.support.labels, truth.support.labels),
        (found.start.support.images, truth.start.support.images),
        (found.start.support.labels, truth.start.support.labels),
        (found.start.init_indices, truth.start.init_indices),
        (found.start.class_ids, truth.start.class_ids),
    ]:
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)


def test_it_comes_back_and_has_one_form(tmp_path: Path, outcome: Outcome) -> None:
    for name in ("a.npz", "b.npz"):
        outcome.save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = Outcome.load(tmp_path / "a.npz")
    assert_same(found, outcome)
    found.check_fits(tmp_path / "a.npz", make_source(), "float32")


def test_a_missing_one_is_named_with_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"outcome\.npz is missing.*kdistill run or distill"):
        Outcome.load(tmp_path / "outcome.npz")


def test_no_flipped_bit_passes_for_another_outcome(tmp_path: Path, outcome: Outcome) -> None:
    path = tmp_path / "outcome.npz"
    outcome.save(path)
    whole, refused = path.read_bytes(), 0
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            found = Outcome.load(path)
        except UserError:
            refused += 1
        else:  # dates and the like of a zip file carry no data
            assert_same(found, outcome)
    assert refused > len(whole) / 2


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04"])
def test_what_is_no_npz_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "outcome.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"outcome\.npz is damaged.*the command that made it"):
        Outcome.load(tmp_path / "outcome.npz")


def test_an_npz_or_npy_of_something_else_is_damaged(tmp_path: Path, outcome: Outcome) -> None:
    path = tmp_path / "outcome.npz"
    np.savez(path, images=np.zeros(3))
    with pytest.raises(UserError, match="is damaged"):
        Outcome.load(path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(UserError, match="is damaged"):
        Outcome.load(path)
    outcome._replace(label_mode="guessed").save(path)
    with pytest.raises(UserError, match="label_mode is 'guessed'"):
        Outcome.load(path)


def test_truncation_is_found(tmp_path: Path, outcome: Outcome) -> None:
    path = tmp_path / "outcome.npz"
    outcome.save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="is damaged"):
            Outcome.load(path)


def test_shapes_types_and_rows_must_be_the_runs(outcome: Outcome) -> None:
    images, labels = outcome.support
    began_as = outcome.start.support

    def began(**changes: Any) -> Outcome:
        return outcome._replace(start=outcome.start._replace(**changes))

    others = {
        "images is float32 (3, 5, 6, 3)": outcome._replace(support=Support(images.transpose(0, 2, 1, 3), labels)),
        "images is float32 (2, 6, 5, 3)": outcome._replace(support=Support(images[:2], labels)),
        "images is float64": outcome._replace(support=Support(images.astype(np.float64), labels)),
        "labels is float64 (3, 2)": outcome._replace(support=Support(images, labels[:, :2])),
        "start_images is float64": began(support=began_as._replace(images=began_as.images.astype(np.float64))),
        "start_labels is float64 (3, 2)": began(support=began_as._replace(labels=labels[:, :2])),
        "class_ids is int32 (2,)": began(class_ids=outcome.start.class_ids[:2]),
        "init_indices is int64 ()": began(init_indices=np.array(3)),
        "init_indices are no rows": began(init_indices=np.array([7, 3, 180])),
        "init_indices are": began(init_indices=np.array([-2, 3, 18])),
    }
    for message, other in others.items():
        if message.startswith("init_indices is"):
            nothing = Support(images[:0], labels[:0])
            start = Start(nothing, other.start.init_indices, outcome.start.class_ids[:0])
            other = other._replace(support=nothing, start=start)
        with pytest.raises(UserError) as caught:
            other.check_fits(Path("outcome.npz"), make_source(), "float32")
        assert str(caught.value).startswith("outcome.npz is of another run")
        assert message in str(caught.value)


def test_another_data_set_or_precision_is_another_run(outcome: Outcome) -> None:
    with pytest.raises(UserError, match=r"images is float32 .* not float64"):
        outcome.check_fits(Path("outcome.npz"), make_source(), "float64")
    with pytest.raises(UserError, match=r"not float32 \(3, 8, 8, 1\)"):
        outcome.check_fits(Path("outcome.npz"), replace(make_source(), image_shape=(8, 8, 1)), "float32")
