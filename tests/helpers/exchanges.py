"""What a compiled program moves between devices."""

import re

import jax
import numpy as np

# An instruction by which devices exchange data: its result's shapes, and its name.
_EXCHANGE = re.compile(r"= (\S.*?) (all-[a-z-]+?|collective-[a-z]+|reduce-scatter|send|recv)(?:-start)?\(")
_ARRAY = re.compile(r"([a-z]+\d*)\[([\d,]*)\]")
_BYTES = {"f32": 4, "f64": 8, "u32": 4, "s32": 4, "pred": 1}


def exchanges(compiled: jax.stages.Compiled) -> list[tuple[str, int]]:
    """Each instruction's name, and the bytes of its result on one device."""
    return [(name, sum(map(_size, _ARRAY.findall(shapes)))) for shapes, name in _EXCHANGE.findall(compiled.as_text())]


def _size(array: tuple[str, str]) -> int:
    dtype, shape = array
    return _BYTES[dtype] * int(np.prod([int(n) for n in shape.split(",") if n]))
