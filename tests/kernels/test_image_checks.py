"""Bad images are refused with one clear line, before anything compiles."""

import jax
import numpy as np
import pytest

from kerneldistill.kernels.architectures import conv_net
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.gram_matrix import gram
from kerneldistill.kernels.names import KernelKind
from tests.helpers.kernels import engine, images

SHAPE = (4, 4, 2)
GOOD = images(2, SHAPE)
BROKEN = GOOD.copy()
BROKEN[1, 2, 3, 0] = np.nan


@pytest.fixture(autouse=True)
def nothing_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiles(*_args, **_options):
        raise AssertionError("compiled before checking")

    monkeypatch.setattr(jax, "jit", compiles)
    monkeypatch.setattr("kerneldistill.kernels.gram_matrix._gram", compiles)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (GOOD[0], r"must be \[n, 4, 4, 2\] with n >= 1; got \(4, 4, 2\)"),
        (GOOD[:0], r"got \(0, 4, 4, 2\)"),
        (GOOD[..., :1], r"must be \[n, 4, 4, 2\] .* got \(2, 4, 4, 1\)"),
        (GOOD.astype(np.float32), r"must be float64; got float32: convert with \.astype\('float64'\)"),
        (np.ones((2, *SHAPE), np.uint8), "must be float64; got uint8"),
        (BROKEN, "must be finite; they hold NaN or infinite pixels: find and drop"),
        (GOOD * np.inf, "must be finite"),
    ],
)
def test_engines_refuse_bad_images_on_both_sides(x: np.ndarray, message: str) -> None:
    own = engine(conv_net(1), SHAPE)
    for take in (own.support_features, own.target_features, own.target_store):
        with pytest.raises(ValueError, match=message):
            take(x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((conv_net(1), "ntk", (4, 4), np.float32), r"got images of shape \(4, 4\)"),
        ((conv_net(3), "ntk", (7, 8, 1), np.float32), "7 x 8 are too small for 3 poolings"),
        ((conv_net(1), "nkt", SHAPE, np.float32), "unknown kernel 'nkt'; allowed: ntk, nngp"),
        ((conv_net(1), "ntk", SHAPE, np.float16), "float32 or float64, not float16"),
    ],
)
def test_engines_refuse_bad_arguments(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExactEngine(*arguments)


@pytest.mark.parametrize(
    ("x1", "x2", "kind", "message"),
    [
        (GOOD[0], GOOD, "ntk", r"x1 must be \[n, height, width, channels\] with n >= 1; got \(4, 4, 2\)"),
        (GOOD, GOOD[:0], "ntk", r"x2 must be .* got \(0, 4, 4, 2\)"),
        (GOOD, GOOD[..., :1], "ntk", r"images of one shape; got \(4, 4, 2\) and \(4, 4, 1\)"),
        (GOOD, GOOD.astype(np.float32), "ntk", "of one dtype; got float64 and float32"),
        (GOOD.astype(int), GOOD, "ntk", "x1 must be float32 or float64; got int64"),
        (GOOD[:, :1], GOOD[:, :1], "ntk", "1 x 4 are too small for 1 poolings"),
        (GOOD, GOOD, "both", "unknown kernel 'both'"),
    ],
)
def test_gram_refuses_bad_images(x1: np.ndarray, x2: np.ndarray, kind: KernelKind, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gram(conv_net(1), x1, x2, kind)
