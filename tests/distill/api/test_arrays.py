"""A user's arrays: what is taken, what is refused, and the test split that is drawn where none is given."""

import numpy as np
import pytest

from kerneldistill.api.arrays import Arrays, arrays_of, check_pixels
from kerneldistill.errors import UserError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (30, 8, 8, 3), np.uint8)
LABELS = np.arange(30) % 3


def taken(images=IMAGES, labels=LABELS, test=None, fraction=0.2, seed=0, class_names=None) -> Arrays:
    return arrays_of(images, labels, test, fraction, seed, class_names)


@pytest.mark.parametrize("labels", [LABELS, LABELS.tolist(), LABELS.astype(np.uint8)])
def test_a_fifth_of_each_class_is_held_out_for_test(labels) -> None:
    found = taken(labels=labels)
    assert np.bincount(found.test.labels).tolist() == [2, 2, 2]
    assert np.bincount(found.train.labels).tolist() == [8, 8, 8]
    both = np.concatenate([found.train.images, found.test.images])
    assert {image.tobytes() for image in both} == {image.tobytes() for image in IMAGES}
    assert found.class_names == ("0", "1", "2")


def test_the_draw_is_that_of_the_seed() -> None:
    assert taken().digest == taken().digest != taken(seed=1).digest


def test_a_test_split_that_is_given_is_taken_whole() -> None:
    found = taken(test=(IMAGES[:5], LABELS[:5]), class_names=("cat", "dog", "owl"))
    assert len(found.train.labels) == 30
    np.testing.assert_array_equal(found.test.images, IMAGES[:5])
    assert found.class_names == ("cat", "dog", "owl")


def test_grey_images_need_no_channel_axis() -> None:
    np.testing.assert_array_equal(check_pixels(IMAGES[..., 0]), IMAGES[..., :1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"images": IMAGES / 255}, r"float64 from 0 to 1, .* give \(images \* 255\).round\(\).astype\(\"uint8\"\)"),
        ({"images": IMAGES.astype(np.float32)}, r"from 0 to 255, .* give images.round\(\).astype\(\"uint8\"\)"),
        ({"images": IMAGES - IMAGES.mean()}, "before any normalisation"),
        ({"images": IMAGES.transpose(0, 3, 1, 2)}, r"channels last, images.transpose\(0, 2, 3, 1\)"),
        ({"images": IMAGES[0, 0]}, r"uint8 \[8, 3\], allowed is \[n, h, w\]"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "at least one image"),
        ({"labels": LABELS[:-1]}, r"labels are int64 \[29\], allowed are whole numbers \[30\]"),
        ({"labels": np.eye(3)[LABELS]}, r"give labels.argmax\(1\)"),
        ({"labels": LABELS - 1}, "go down to -1"),
        ({"labels": LABELS + 1}, "class 0 has no image: number the classes without gaps"),
        ({"labels": LABELS * 0}, "labels are all 0"),
        ({"class_names": ("cat", "dog")}, "labels go up to 2, allowed is 0 to 1, as class_names has 2 names"),
        ({"class_names": ("cat", "dog", "owl", "bat")}, "class 3 has no image"),
        ({"labels": np.append(LABELS[:-1] % 2, 2)}, "class 2 has one image, needed are 2 or more"),
        ({"fraction": 1.0}, "test_fraction is 1.0, allowed is a number between 0 and 1"),
        ({"test": (IMAGES[:, :2], LABELS)}, "test images are 2x8x3 and images are 8x8x3"),
        ({"test": (IMAGES, LABELS + 1)}, "test labels go up to 3, allowed is 0 to 2"),
        ({"test": (IMAGES / 255, LABELS)}, "test images are float64"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line_with_the_remedy(given: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        taken(**given)
    assert "\n" not in str(refused.value)
