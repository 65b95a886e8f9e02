"""Corruptions: what each does to pixels, by formulas of their own."""

import io

import numpy as np
import pytest
from PIL import Image

from kerneldistill.errors import UserError
from kerneldistill.evaluation.corruptions import CORRUPTIONS, blur, contrast, jpeg, noise, shift
from kerneldistill.evaluation.shift_names import CORRUPTION_NAMES, check_shifts, corruptions_in

PIXELS = np.random.default_rng(3).integers(0, 256, (5, 32, 24, 3), dtype=np.uint8)


def test_the_names_are_those_of_the_functions() -> None:
    assert tuple(CORRUPTIONS) == CORRUPTION_NAMES
    assert corruptions_in(["jpeg", "all"]) == ["jpeg", "noise", "blur", "contrast", "shift"]


@pytest.mark.parametrize("name", CORRUPTION_NAMES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_each_keeps_shape_and_range_and_is_the_same_again(name: str, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, channels), dtype=np.uint8)
    before = pixels.copy()
    found = CORRUPTIONS[name](pixels)
    assert (found.shape, found.dtype) == (pixels.shape, np.float32)
    assert found.min() >= 0
    assert found.max() <= 255
    assert not np.array_equal(found, pixels)
    np.testing.assert_array_equal(found, CORRUPTIONS[name](pixels))
    np.testing.assert_array_equal(pixels, before)


def test_noise_has_its_deviation_and_blur_its_weights() -> None:
    grey = np.full((40, 32, 32, 1), 128, np.uint8)
    assert np.std(noise(grey) - 128.0) == pytest.approx(25.5, rel=0.02)
    point = np.zeros((1, 33, 33, 1), np.uint8)
    point[0, 16, 16] = 255
    found, sigma = blur(point)[0, :, :, 0], 33 / 40
    weights = np.exp(-0.5 * (np.arange(-3, 4) / sigma) ** 2)
    wanted = 255 * np.outer(weights, weights) / weights.sum() ** 2
    np.testing.assert_allclose(found[13:20, 13:20], wanted, atol=1.0)


def test_contrast_keeps_the_mean_and_two_fifths_of_the_rest() -> None:
    found, mean = contrast(PIXELS), PIXELS.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), mean, atol=0.1)
    np.testing.assert_allclose(found.std(axis=(1, 2, 3)), 0.4 * PIXELS.std(axis=(1, 2, 3)), rtol=0.01)


def test_jpeg_is_that_of_the_encoder() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[2]).save(buffer, "JPEG", quality=25)
    np.testing.assert_array_equal(jpeg(PIXELS)[2], np.asarray(Image.open(buffer)))


def test_a_shift_moves_every_pixel() -> None:
    found = shift(PIXELS)
    np.testing.assert_array_equal(found[:, 4:, 3:], PIXELS[:, :-4, :-3])
    np.testing.assert_array_equal(found[:, 0, 3:], PIXELS[:, 0, :-3])


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match=r"--shift has 'nois'.*a folder that kdistill prepare made"):
        check_shifts(["nois"])
