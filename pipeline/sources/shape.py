"""Decide the one size that all images of a prepared data set have."""

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.untrusted.limits import MAX_BATCH_BYTES, MAX_PREPARED_SIDE

Declared = tuple[int | None, int | None, int | None]


def wanted_shape(config: DataConfig, declared: Declared, source: str) -> tuple[int, int, int]:
    """Return (h, w, c) of every image: as configured, else as the source declares.

    Args:
      config: height, width, channels, resize
      declared: (h, w, c) of the source, None where its images differ
      source: what to call it in messages

    Raises:
      DataError: neither gives a size, or the two differ and images are not to be resized.
    """
    height = _side("height", config.height, declared[0], config, source)
    width = _side("width", config.width, declared[1], config, source)
    channels = config.channels or declared[2]
    if max(height, width) > MAX_PREPARED_SIDE:
        raise DataError(
            f"{source} has images of {height} x {width}; allowed: {MAX_PREPARED_SIDE} a side; set data.height, "
            "data.width and data.resize"
        )
    if channels not in (1, 3, 4):
        raise DataError(f"{source} has images of {channels} channels; allowed: 1, 3, 4; set data.channels")
    if (size := 4 * config.batch_size * height * width * channels) > MAX_BATCH_BYTES:
        fitting = max(1, MAX_BATCH_BYTES // (size // config.batch_size))
        raise DataError(
            f"data.batch_size is {config.batch_size}, which takes {size:,} bytes of images of {height} x {width}; "
            f"allowed: {MAX_BATCH_BYTES:,} bytes; set data.batch_size to {fitting} or less"
        )
    return height, width, channels


def _side(name: str, configured: int | None, declared: int | None, config: DataConfig, source: str) -> int:
    side = configured or declared
    if side is None:
        raise DataError(
            f"the images of {source} differ in {name}; set data.height and data.width, and data.resize to a method"
        )
    if declared not in (None, side) and config.resize == "refuse":
        raise DataError(
            f"data.{name} is {configured}, the images of {source} have {declared}; set data.resize to a method"
        )
    return side
