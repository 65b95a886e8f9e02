"""The levels at which a run learns before its own, from the coarsest on: smaller images, a cheaper kernel, or both.

A level is one text of `Config.coarse`: `16`, the size of its images; `16,optim.steps=800`, with what else differs; or
`kernel.get=nngp`, the whole images under another kernel. What a text leaves out is as at the next finer level, but for
the depth of a network that halves its images: fewer halvings lead from smaller images to a last map of the same size;
and for `support.refit`, as labels are refitted to the finer level's kernel when it begins.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple, get_origin

from kerneldistill.config.assignments import assigned
from kerneldistill.config.schema import Config, KernelConfig
from kerneldistill.config.settings import nested, settings
from kerneldistill.config.toml import config_from_table
from kerneldistill.errors import UserError

_ALLOWED = (
    "a size, or NAME=VALUE,NAME=VALUE,... of settings that hold one value and do not say what the images are, or both"
)
_EXAMPLE = "--coarse 16,optim.steps=800"
# The field of each network that counts its halvings, and its least value.
_HALVINGS = {"conv_net": ("depth", 1), "myrtle": ("pools", 0), "wide_resnet": ("groups", 1)}

Shape = Sequence[int]


class Level(NamedTuple):
    """One level as it is written.

    size: pixels of the shorter side of its images; None for those of the next finer level
    changes: other settings that differ, by dotted name
    """

    size: int | None
    changes: Mapping[str, Any]


def levels_of(config: Config) -> tuple[Level, ...]:
    """The levels of a configuration, from the coarsest on.

    Raises:
      UserError: a text is no level, two are the same, or a size is above a later one.
    """
    texts = [str(text).replace(" ", "") for text in config.coarse]
    levels = tuple(map(_parsed, texts))
    if twice := next((text for n, text in enumerate(texts) if text in texts[:n]), None):
        raise UserError(f"coarse has {twice!r} twice, allowed is each level once: leave one out of --coarse")
    sizes = [level.size for level in levels if level.size is not None]
    if sizes != sorted(sizes):
        ascending = " ".join(map(str, sorted(sizes)))
        raise UserError(f"coarse has the sizes {sizes}, allowed are ascending ones: set --coarse {ascending}")
    return levels


def coarser(config: Config, image_shape: Shape) -> tuple[Config, Shape]:
    """The last level before a configuration as a run of its own, which has the levels before it.

    Args:
      config: that has at least one level
      image_shape: (h, w, c) of its images

    Returns:
      The configuration of the level, and the shape of its images.

    Raises:
      UserError: the size does not suit the images or the network, or a value is not allowed.
    """
    text, level = str(config.coarse[-1]), levels_of(config)[-1]
    shape = image_shape if level.size is None else _resized(config, level.size, image_shape)
    found = config_from_table(nested(level.changes), f"--coarse {text!r}", config)
    if f"kernel.{_HALVINGS.get(found.kernel.network, ('',))[0]}" not in level.changes:
        found = replace(found, kernel=_fitted(found.kernel, image_shape, shape))
    if tuple(shape) != tuple(image_shape):
        block = found.data.zca_block if found.data.zca_block < min(shape[:2]) else 0
        resized = replace(found.data, height=shape[0], width=shape[1], resize="box", zca_block=block)
        found = replace(found, data=resized)
    found = replace(found, kernel=replace(found.kernel, sampled=()), coarse=config.coarse[:-1])
    if replace(found, coarse=()) == replace(config, coarse=()):
        raise UserError(
            f"coarse has {text!r}, which is how the run itself learns: leave it out of --coarse, or set a smaller size"
        )
    if "support.refit" not in level.changes:
        found = replace(found, support=replace(found.support, refit="none"))
    return found, shape


def _parsed(text: str) -> Level:
    size, _, rest = text.partition(",")
    if not size.isdecimal():
        size, rest = "", text
    changes = assigned(rest, _types(), "coarse", _ALLOWED, _EXAMPLE) if rest else {}
    if size and int(size) < 1:
        raise UserError(f"coarse has {text!r}, allowed is a size from 1 up: set it, for example with {_EXAMPLE}")
    return Level(int(size) if size else None, changes)


@cache
def _types() -> Mapping[str, Any]:
    """Types of the settings that a level may change: those on which the meaning of the images does not depend."""
    single = (setting for setting in settings().values() if get_origin(setting.type) is not tuple)
    free = (setting for setting in single if setting.mark.change != "never" and not setting.name.startswith("data."))
    return {setting.name: setting.type for setting in free}


def _resized(config: Config, size: int, shape: Shape) -> Shape:
    height, width, channels = shape
    what = f"the images of {config.data.name} at the next finer level have {height}x{width} pixels"
    if size > min(height, width):
        raise UserError(
            f"coarse has the size {size}, but {what}: set a smaller one, for example --coarse {min(shape[:2]) // 2}"
        )
    if height * size % min(height, width) or width * size % min(height, width):
        raise UserError(
            f"coarse has the size {size}, but {what}, whose proportions it does not keep: set a divisor of "
            f"{min(height, width)}, for example --coarse {min(height, width) // 2}"
        )
    return height * size // min(height, width), width * size // min(height, width), channels


def _fitted(kernel: KernelConfig, fine: Shape, coarse: Shape) -> KernelConfig:
    """The network with as many halvings less as the images were halved."""
    if kernel.network not in _HALVINGS:
        return kernel
    field, least = _HALVINGS[kernel.network]
    left = getattr(kernel, field) - round(math.log2(min(fine[:2]) / min(coarse[:2])))
    if left < least:
        smallest = math.ceil(min(fine[:2]) / 2 ** (getattr(kernel, field) - least))
        raise UserError(
            f"coarse has the size {min(coarse[:2])}, for which a {kernel.network} would need a kernel.{field} of {left}"
            f" (it has {getattr(kernel, field)} for images of {min(fine[:2])}): set a size from {smallest} up, or name "
            f"it, as in --coarse {min(coarse[:2])},kernel.{field}={least}"
        )
    return replace(kernel, **{field: left})
