"""Several views of each test image, whose kernels with the support are averaged before the regression predicts.

The prediction is linear in the row of the kernel, so the mean of the rows gives the mean of the predictions: an
ensemble over augmentations (Lee et al. 2020, "Finite versus infinite neural networks", 2007.15801, section 3.12), here
of the images that are predicted, while the support stays as it is. Views are taken of whitened pixels, as
`support.flip` takes its mirror images; what a shift brings in is 0, the mean of the data.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import numpy as np

from kerneldistill.algorithms.targets import Change
from kerneldistill.config.schema import ViewName

_View = Callable[[np.ndarray], np.ndarray]
# Steps down and right, of a pixel each.
_STEPS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def _same(images: np.ndarray) -> np.ndarray:
    return images


def _mirrored(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images[:, :, ::-1])


def _shifted(down: int, right: int, images: np.ndarray) -> np.ndarray:
    """Shift images [n, h, w, c] by a pixel at most each way; zeros come in."""
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return padded[:, 1 - down : 1 - down + height, 1 - right : 1 - right + width]


# Of each name, what it does to an image besides leaving it as it is.
_VIEWS: dict[ViewName, tuple[_View, ...]] = {
    "flip": (_mirrored,),
    "shift": tuple(partial(_shifted, *step) for step in _STEPS),
}


def views(names: Sequence[ViewName]) -> tuple[Change | None, ...]:
    """The views of each image, the image itself first, as None: 2 of `flip`, 5 of `shift`, 10 of both."""
    ways = product(*((_same, *_VIEWS[name]) for name in dict.fromkeys(names)))
    next(ways)
    return (None, *(partial(_apply, way) for way in ways))


def _apply(way: Sequence[_View], images: np.ndarray, first: int) -> np.ndarray:
    """See `Change`: every image is changed alike, wherever in the batch it stands."""
    for view in way:
        images = view(images)
    return images
