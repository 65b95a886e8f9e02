"""What a ZCA can be fitted to: its blocks must tile the image, and its matrices fit into memory."""

import math

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.whitening.blocks import Blocks

# Numbers in a matrix of the fit, of which several are in memory at once: 1.07 GB each.
MAX_ENTRIES = 2**27


def check_size(image_shape: tuple[int, int, int], config: DataConfig) -> None:
    """Checks images [h, w, c] against the whitening in `config`.

    Raises:
      DataError: the blocks do not tile the image, or the matrices are too large; with the blocks that would do.
    """
    if config.whiten not in ("kip_zca", "kornia_zca"):
        if config.zca_block:
            raise DataError(f"data.zca_block is {config.zca_block}, of whiten = {config.whiten!r}; allowed: 0")
        return
    height, width, channels = image_shape
    sides = [side for side in range(1, math.gcd(height, width) + 1) if math.gcd(height, width) % side == 0]
    if config.zca_block and config.zca_block not in sides:
        raise DataError(
            f"data.zca_block is {config.zca_block}; allowed for images of {height} x {width}: 0, "
            f"{', '.join(map(str, sides))}"
        )
    if _entries(image_shape, config.zca_block) > MAX_ENTRIES:
        fitting = [side for side in sides if _entries(image_shape, side) <= MAX_ENTRIES]
        remedy = f"set data.zca_block to {fitting[-1]} or less" if fitting else "use whiten = 'standard'"
        size = 8 * _entries(image_shape, config.zca_block) / 1e9
        raise DataError(
            f"{config.whiten} of images of {height} x {width} x {channels} needs several matrices of {size:.1f} GB; "
            f"allowed: {8 * MAX_ENTRIES / 1e9:.1f} GB each; {remedy}"
        )


def _entries(image_shape: tuple[int, int, int], side: int) -> int:
    blocks = Blocks(image_shape, side)
    return blocks.count * blocks.features**2
