"""What size and how many channels encoded pictures have, from the first that can be read."""

from collections import Counter
from collections.abc import Iterable

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.sources.image_decoding import measure

# Pictures looked at.
PROBED = 100


def declared_shape(pictures: Iterable[bytes], total: int, config: DataConfig) -> tuple[int, int, int] | None:
    """Return the (h, w, c) that most of some pictures have, c of 3 where there are some in colour; None without any.

    Args:
      pictures: the first ones, encoded
      total: number of all
      config: what is asked of them

    Raises:
      DataError: more than `max_bad_fraction` of all have another size or other channels, so they would be refused.
    """
    shapes = []
    for picture in pictures:
        try:
            shapes.append(measure(picture))
        except ValueError:
            continue
    if not shapes:
        return None
    sizes = Counter(shape[:2] for shape in shapes)
    in_colour = any(shape[2] == 3 for shape in shapes)
    channels = Counter(3 if in_colour and shape[2] == 1 else shape[2] for shape in shapes)
    ((size, alike),), ((channel, as_deep),) = sizes.most_common(1), channels.most_common(1)
    most = config.max_bad_fraction * total
    if None in (config.height, config.width) and len(shapes) - alike > most:
        (h, w), (height, width) = min(sizes), max(sizes)
        raise DataError(
            f"the pictures of {config.name} differ in size ({h}x{w} to {height}x{width}); allowed: one size: set "
            "--data.height 32 --data.width 32 --data.resize lanczos, or other numbers"
        )
    if config.channels is None and len(shapes) - as_deep > most:
        raise DataError(
            f"the pictures of {config.name} differ in channels: {channels[4]} of the first {len(shapes)} are "
            "transparent; allowed: all or none: set --data.channels 4"
        )
    return (*size, channel)
