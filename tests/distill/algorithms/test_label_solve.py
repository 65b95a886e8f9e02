"""Label Solve finds the least-norm labels of the whole problem, though it never holds its matrix."""

import io
import tracemalloc

import numpy as np
import pytest

from kerneldistill.algorithms import kept_triangle
from kerneldistill.algorithms import label_solve as label_solve_module
from kerneldistill.algorithms.label_solve import label_solve
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import Support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.kernels.architectures import fc_net
from kerneldistill.kernels.engine import Engine
from kerneldistill.kernels.levels import points
from kerneldistill.pipeline.split import Split
from tests.helpers.kernels import allow, engine, kernel
from tests.helpers.label_solve import StoppedError, stopped_after
from tests.helpers.splits import make_split
from tests.helpers.targets_met import targets_met
from tests.helpers.tolerance import GRADIENT, assert_close

SHAPE = (6, 6, 1)
NETWORK = fc_net(1)
RIDGE = 1e-4
# Far above the rounding of the solve, far below every direction that the targets decide.
NO_DIRECTION = 1e-6


@pytest.fixture(scope="module")
def own() -> Engine:
    return engine(NETWORK, SHAPE)


@pytest.fixture(scope="module")
def split() -> Split:
    return make_split((19, 17, 13), SHAPE, noise=2.0)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return make_split((2, 2, 2), SHAPE, seed=1, noise=2.0).images.astype(np.float64)


def directly(own: Engine, images: np.ndarray, split: Split) -> np.ndarray:
    """The least-norm labels, from the whole matrix."""
    k_ss = kernel(own, images, images)
    k_ts = kernel(own, split.images.astype(np.float64), images)
    regularised = k_ss + RIDGE * np.trace(k_ss) / len(images) * np.eye(len(images))
    design = np.linalg.solve(regularised, k_ts.T).T
    return np.linalg.lstsq(design, centred_one_hot(split.labels, 3), rcond=NO_DIRECTION)[0]


@pytest.mark.parametrize("chunk", [4, 16, 1000])
def test_labels_are_those_of_the_whole_problem(own, images, split, chunk, monkeypatch) -> None:
    # Chunks smaller and larger than the triangle of 6 + 3 columns.
    allow(monkeypatch, chunk_points=chunk * 6 * points(NETWORK, *SHAPE), lanes=2, plane_bytes=0)
    targets = Targets(own, split, 3)
    assert len(list(targets.chunks(6))) == (1 if chunk == 1000 else -(-49 // chunk))
    solved = label_solve(own, images, targets, RIDGE)
    assert solved.images is images
    assert_close(solved.labels, directly(own, images, split), GRADIENT["float64"])


@pytest.mark.parametrize("copies", [1, 3])
def test_equal_images_share_the_least_labels(own: Engine, images: np.ndarray, split: Split, copies: int) -> None:
    images = images.copy()
    images[-copies:] = images[:copies]
    labels = label_solve(own, images, Targets(own, split, 3), RIDGE).labels
    # The rounding of the solve, about 1e-16 / RIDGE, is all that tells equal images apart.
    assert_close(labels[-copies:], labels[:copies], 1e-9)
    assert_close(labels, directly(own, images, split), GRADIENT["float64"])


def test_fewer_targets_than_images(own: Engine, images: np.ndarray) -> None:
    few = make_split((1, 1, 2), SHAPE, seed=2)
    labels = label_solve(own, images, Targets(own, few, 3), RIDGE).labels
    assert_close(labels, directly(own, images, few), GRADIENT["float64"])


def test_no_other_labels_predict_the_targets_better(own: Engine, images: np.ndarray, split: Split) -> None:
    targets = Targets(own, split, 3)
    solved = label_solve(own, images, targets, RIDGE)
    least = evaluate(own, solved, targets, RIDGE).mse
    rng = np.random.default_rng(0)
    for _ in range(5):
        moved = solved.labels + 1e-2 * rng.standard_normal(solved.labels.shape)
        assert evaluate(own, Support(images, moved), targets, RIDGE).mse > least


def test_mirror_images_share_their_labels(own: Engine, images: np.ndarray, split: Split) -> None:
    doubled = np.concatenate([images, images[:, :, ::-1]])
    k_ss, k_ts = kernel(own, doubled, doubled), kernel(own, split.images.astype(np.float64), doubled)
    regularised = k_ss + RIDGE * np.trace(k_ss) / len(doubled) * np.eye(len(doubled))
    design = np.linalg.solve(regularised, k_ts.T).T
    truth = np.linalg.lstsq(design[:, :6] + design[:, 6:], centred_one_hot(split.labels, 3), rcond=NO_DIRECTION)[0]
    solved = label_solve(own, images, Targets(own, split, 3), RIDGE, flip=True)
    assert solved.images is images
    assert_close(solved.labels, truth, GRADIENT["float64"])


def test_an_ill_conditioned_problem_is_solved_as_lstsq_solves_it_and_not_as_normal_equations_do(
    own: Engine, split: Split
) -> None:
    """Images in pairs that are nearly equal: under a large ridge the labels' differences hardly show in predictions."""
    rng = np.random.default_rng(3)
    half = rng.standard_normal((4, *SHAPE))
    images = np.concatenate([half, half + 1e-5 * rng.standard_normal(half.shape)])
    k_ss, k_ts = kernel(own, images, images), kernel(own, split.images.astype(np.float64), images)
    ridge, labels = 1.0, centred_one_hot(split.labels, 3)
    regularised = k_ss + ridge * np.trace(k_ss) / 8 * np.eye(8)
    design = np.linalg.solve(regularised, k_ts.T).T
    assert 1e4 < np.linalg.cond(design) < 1e7
    truth = np.linalg.lstsq(design, labels, rcond=None)[0]
    solved = label_solve(own, images, Targets(own, split, 3), ridge).labels
    normal = np.linalg.solve(design.T @ design, design.T @ labels)

    def error(found: np.ndarray) -> float:
        return float(np.abs(found - truth).max() / np.abs(truth).max())

    assert error(solved) < 1e-7
    assert error(normal) > 100 * error(solved)


@pytest.fixture
def chunks(own: Engine, split: Split, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the chunks of which the kernel is computed from here on: 13 of 49 targets, each of them kept."""
    allow(monkeypatch, chunk_points=4 * 6 * points(NETWORK, *SHAPE), lanes=2, plane_bytes=0)
    monkeypatch.setattr(kept_triangle, "_EACH", -1.0)
    return targets_met(monkeypatch, label_solve_module)


def test_a_solve_that_was_stopped_goes_on_with_the_same_bits(own, images, split, chunks, tmp_path) -> None:
    targets, file = Targets(own, split, 3), tmp_path / "kept.npz"
    whole = label_solve(own, images, targets, RIDGE).labels
    every = chunks.copy()
    with stopped_after(5), pytest.raises(StoppedError):
        label_solve(own, images, targets, RIDGE, kept=file)
    chunks.clear()
    assert np.array_equal(label_solve(own, images, targets, RIDGE, kept=file).labels, whole)
    assert chunks == every[5:]
    chunks.clear()
    assert np.array_equal(label_solve(own, images, targets, RIDGE, kept=file).labels, whole)
    assert chunks == []


@pytest.mark.parametrize("spoilt", ["other images", "other chunks", "half", "missing"])
def test_a_solve_begins_anew_where_what_is_kept_is_not_of_it(
    own, images, split, chunks, tmp_path, monkeypatch, spoilt
) -> None:
    targets, file = Targets(own, split, 3), tmp_path / "kept.npz"
    with stopped_after(5), pytest.raises(StoppedError):
        label_solve(own, images + 1.0 if spoilt == "other images" else images, targets, RIDGE, kept=file)
    match spoilt:
        case "other chunks":
            allow(monkeypatch, chunk_points=6 * 6 * points(NETWORK, *SHAPE), lanes=2, plane_bytes=0)
        case "half":
            file.write_bytes(file.read_bytes()[:400])
        case "missing":
            file.unlink()
    chunks.clear()
    labels = label_solve(own, images, targets, RIDGE, kept=file).labels
    assert sum(chunks) == len(split)
    assert_close(labels, directly(own, images, split), GRADIENT["float64"])


def test_what_is_done_is_kept_every_minute(own, images, split, chunks, tmp_path, monkeypatch) -> None:
    clock = iter([0.0, 30.0, 59.0, 61.0, 61.0, *[62.0] * 99])
    monkeypatch.setattr(kept_triangle, "_EACH", 60.0)
    monkeypatch.setattr(kept_triangle.time, "monotonic", lambda: next(clock))
    written: list[bytes] = []
    monkeypatch.setattr(kept_triangle, "write_whole", lambda path, content: written.append(content))
    label_solve(own, images, Targets(own, split, 3), RIDGE, kept=tmp_path / "kept.npz")
    (content,) = written
    assert int(np.load(io.BytesIO(content))["done"]) == 3


@pytest.mark.slow
def test_500_images_and_60000_targets_stay_within_memory() -> None:
    """The matrix is 240 MB and never whole: held are a block of 64 MB, as float32 too, and pieces of 16 MB."""
    rng = np.random.default_rng(0)
    train = Split(rng.standard_normal((60_000, 4, 4, 1)).astype(np.float32), (np.arange(60_000) % 10).astype(np.int32))
    own = engine(NETWORK, (4, 4, 1), dtype=np.float32)
    targets = Targets(own, train, 10)
    tracemalloc.start()
    label_solve(own, train.images[:500], targets, RIDGE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 240e6
