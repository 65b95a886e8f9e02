"""Broken pictures of every format: each is a bad record with a reason, or pixels; never another error."""

import contextlib
import time

import numpy as np
import pytest

from kerneldistill.pipeline.sources.image_decoding import decode, measure
from tests.helpers.pictures import KINDS, bomb, mutants, whole

SHAPE = (10, 12, 3)


def try_all(kind: str, count: int, seed: int) -> int:
    """Decode mutants as a folder's pictures are; return how many were refused."""
    refused, began = 0, time.process_time()
    for content in mutants(kind, count, seed):
        for resize in ("refuse", "nearest"):
            try:
                pixels = decode(content, SHAPE, resize, convert=True)
                assert pixels.shape == SHAPE
                assert pixels.dtype == np.uint8
            except ValueError as error:
                refused += 1
                assert str(error)  # noqa: PT017
        with contextlib.suppress(ValueError):
            assert min(measure(content)) >= 1
    assert time.process_time() - began < 0.05 * count + 10
    return refused


@pytest.mark.parametrize("kind", KINDS)
def test_the_original_is_measured(kind: str) -> None:
    assert measure(whole(kind))[:2] == ((12, 10) if kind == "JPEG EXIF" else (10, 12))


@pytest.mark.parametrize("kind", KINDS)
def test_sixty_mutants(kind: str) -> None:
    assert try_all(kind, 60, 0) > 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_mutants(kind: str) -> None:
    refused = try_all(kind, 10_000, 1)
    print(f"{kind}: 10,000 mutants decoded in two ways, {refused:,} of 20,000 refused")


def test_a_picture_that_unpacks_to_much_is_refused_before() -> None:
    content = bomb(13_000)
    assert len(content) < 1_000_000
    for resize in ("refuse", "box"):
        with pytest.raises(ValueError, match=r"13000 x 13000, expected 67,108,864 pixels at most"):
            decode(content, SHAPE, resize)
    with pytest.raises(ValueError, match="13000"):
        measure(content)
