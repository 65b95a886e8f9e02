"""The raw test pixels of a prepared data set, which holds them whitened."""

from itertools import islice

import numpy as np

from kerneldistill.bundle.whitened_space import PROBE_TOLERANCE, largest_difference
from kerneldistill.errors import UserError
from kerneldistill.pipeline.prepared import Prepared
from kerneldistill.pipeline.sources.image_decoding import decode
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.pipeline.sources.ranges import parse
from kerneldistill.pipeline.sources.record import BadRecord, Record

# Examples read at a time.
_BLOCK = 1000
# Rounding of the inverse, in pixels; the true ones are whole.
_ROUNDING = 0.25


def raw_test_pixels(prepared: Prepared, count: int) -> np.ndarray:
    """Return the first test images as they were before the whitening, uint8 [count, h, w, c].

    Undo the whitening where its inverse is exact; where it forgets each image's scale, read the source again and
    compare what the whitening makes of it.

    Raises:
      UserError: the source is not there any more, or is another one.
    """
    wanted = prepared.test.images[:count]
    if not prepared.whitener.per_image_norm:
        pixels = prepared.whitener.invert(wanted)
        whole = np.round(pixels)
        if len(wanted) and np.abs(pixels - whole).max() > _ROUNDING:
            raise UserError("the prepared test images are no whole pixels, whitened: prepare the data again")
        return np.clip(whole, 0, 255).astype(np.uint8)
    pixels = _from_source(prepared, len(wanted))
    if pixels.shape != wanted.shape or largest_difference(prepared.whitener.apply(pixels), wanted) > PROBE_TOLERANCE:
        raise UserError("the source of the prepared data has other test images now: prepare the data again")
    return pixels


def _from_source(prepared: Prepared, count: int) -> np.ndarray:
    config = prepared.manifest.config
    try:
        source = open_source(config)
        parts = parse(config.test_split, source.splits, source.name)
        starts = ((part, start) for part in parts for start in range(part.start, part.stop, _BLOCK))
        records = (
            record
            for part, start in starts
            for record in source.read(part.split, start, min(start + _BLOCK, part.stop))
        )
        good = (_decoded(record, prepared) for record in records if not isinstance(record, BadRecord))
        images = list(islice((image for image in good if image is not None), count))
    except (UserError, OSError) as error:
        raise UserError(f"the source of the prepared data cannot be read again: {error}") from error
    return np.array(images, np.uint8)


def _decoded(record: Record, prepared: Prepared) -> np.ndarray | None:
    """Return a record's image; None for one that the preparation left out, too."""
    config = prepared.manifest.config
    try:
        return decode(record.image, prepared.manifest.image_shape, config.resize, config.channels is not None)
    except ValueError:
        return None
