"""A program after compilation, read from its text: instructions by computation, and what their arrays take."""

import re
from math import prod
from typing import NamedTuple

_BITS = {"pred": 8, "bf16": 16, "f16": 16, "f32": 32, "f64": 64} | {f"{s}{n}": n for s in "su" for n in (8, 16, 32, 64)}
_ARRAY = re.compile(r"(\w+)\[([\d,]*)\](?:\{([^}]*)\})?")
_TILE = re.compile(r"T\(([\d,]+)\)")
NAME = re.compile(r"%([\w.\-]+)")


class Instruction(NamedTuple):
    """A line of a computation: `name` = `type` `opcode`(`operands`), and the `rest` from the operands on."""

    name: str
    type: str
    opcode: str
    operands: tuple[str, ...]
    rest: str

    def called(self, attribute: str) -> str | None:
        """Return the computation that an attribute names."""
        found = re.search(rf"\b{attribute}=%?([\w.\-]+)", self.rest)
        return found and found[1]

    @property
    def arrays(self) -> list[tuple[str, str, str]]:
        """Type, sizes and layout of each array of the result."""
        return [array for array in _ARRAY.findall(self.type) if array[0] in _BITS]

    @property
    def sizes(self) -> list[int]:
        """Those of the first array of the result."""
        return [int(n) for n in self.arrays[0][1].split(",") if n]

    @property
    def floats(self) -> int:
        """Floating-point numbers in the result."""
        return sum(_count(dims) for dtype, dims, _ in self.arrays if dtype.startswith(("f", "bf")))

    @property
    def each_bytes(self) -> list[int]:
        """Bytes of each array of the result in the device's memory."""
        return [_bytes(*array) for array in self.arrays]

    @property
    def bytes(self) -> int:
        """All of them."""
        return sum(self.each_bytes)

    @property
    def unplaced(self) -> int:
        """Bytes of a result inside a fusion, where no memory space is told."""
        return sum(_bytes(dtype, dims, layout.replace("S(1)", "")) for dtype, dims, layout in self.arrays)

    @property
    def bare(self) -> int:
        """Bytes of a result wherever it is, without padding."""
        return sum(_bytes(dtype, dims, "") for dtype, dims, _ in self.arrays)


class Computation(NamedTuple):
    """Instructions by name, in their order; the name of the last to run."""

    instructions: dict[str, Instruction]
    root: str

    def of(self, opcode: str) -> list[Instruction]:
        """Return those of a kind."""
        return [each for each in self.instructions.values() if each.opcode == opcode]

    def given(self, of: Instruction) -> list[Instruction]:
        """Return the operands of one of them."""
        return [self.instructions[name] for name in of.operands if name in self.instructions]


def _count(dims: str) -> int:
    return prod(int(n) for n in dims.split(",") if n)


def _bytes(dtype: str, dims: str, layout: str) -> int:
    """Count the bytes of an array in the device's memory, with the padding of its tiles."""
    if "S(" in layout and "S(0)" not in layout:
        return 0
    sizes = [int(n) for n in dims.split(",") if n]
    tile, order = _TILE.search(layout), layout.split(":")[0]
    if tile and order:
        minor = [int(n) for n in order.split(",")]
        for axis, step in zip(minor, reversed([int(n) for n in tile[1].split(",")]), strict=False):
            sizes[axis] = -(-sizes[axis] // step) * step
    return prod(sizes) * _BITS[dtype] // 8


def parsed(text: str) -> tuple[dict[str, Computation], str]:
    """Read what `jax.stages.Compiled.as_text` writes: the computations by name, and the name of the first to run."""
    computations: dict[str, Computation] = {}
    entry, name, own, root = "", "", {}, ""
    for line in text.splitlines():
        begin = re.match(r"(ENTRY )?%?([\w.\-]+) \(.*\{$", line)
        if begin:
            name, own, root = begin[2], {}, ""
            entry = name if begin[1] else entry
        elif line.startswith("}") and name:
            computations[name] = Computation(own, root or next(reversed(own)))
            name = ""
        elif name:
            found = _instruction(line)
            if found is not None:
                own[found.name] = found
                root = found.name if line.lstrip().startswith("ROOT ") else root
    return computations, entry


def _instruction(line: str) -> Instruction | None:
    head = re.match(r"\s+(?:ROOT )?%?([\w.\-]+) = ", line)
    if head is None:
        return None
    rest = line[head.end() :]
    end = _balanced(rest) if rest.startswith("(") else rest.index(" ")
    kind, rest = rest[:end], rest[end:].lstrip()
    opcode = rest[: rest.index("(")]
    rest = rest[len(opcode) :]
    close = _balanced(rest)
    inside = rest[1 : close - 1]
    return Instruction(head[1], kind, opcode, tuple(NAME.findall(inside)), inside + ")" + rest[close:])


def _balanced(text: str) -> int:
    """Return the end of the parenthesis that `text` begins with."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return place + 1
    raise ValueError(f"a parenthesis is not closed: {text[:80]}")
