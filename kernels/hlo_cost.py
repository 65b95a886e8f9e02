"""Count what a compiled program does, from its text: operations, bytes of memory and exchanges, each loop by its turns.

XLA's own `cost_analysis` counts the body of a loop once, and a kernel is loops within loops. Here every computation is
counted once and multiplied by how often it is called. Counted as in `kernels.flops`: arithmetic on floating-point
numbers, one each, and a product of matrices two. Bytes are those of the arrays between fusions, padded as they are laid
out, unless the compiler keeps them beside the core (memory space S(1) of a TPU); of an array that is only sliced, or
updated in part, that part.
"""

import re
from functools import cached_property
from math import prod
from typing import NamedTuple

_BITS = {"pred": 8, "bf16": 16, "f16": 16, "f32": 32, "f64": 64} | {f"{s}{n}": n for s in "su" for n in (8, 16, 32, 64)}
_ARRAY = re.compile(r"(\w+)\[([\d,]*)\](?:\{([^}]*)\})?")
_TILE = re.compile(r"T\(([\d,]+)\)")
_NAME = re.compile(r"%([\w.\-]+)")
_ARITHMETIC = frozenset(
    (
        *("abs", "add", "atan2", "cbrt", "cosine", "divide", "erf", "exponential", "exponential-minus-one", "log"),
        *("log-plus-one", "logistic", "maximum", "minimum", "multiply", "negate", "power", "rsqrt", "sine", "sqrt"),
        *("subtract", "tan", "tanh"),
    )
)
# What moves nothing by itself.
_FREE = frozenset(
    (
        *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional", "call"),
        *("after-all", "partition-id", "replica-id", "opt-barrier"),
    )
)
_SLICES = frozenset(("dynamic-slice", "slice", "gather"))
_EXCHANGES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter", "send", "recv")


class Cost(NamedTuple):
    """What one device does.

    flops: operations
    bytes: to and from its memory
    exchanges: how often each kind of exchange between devices runs
    exchanged: bytes that go into them
    kernels: how many kernels are launched, or fusions run
    """

    flops: float = 0.0
    bytes: float = 0.0
    exchanges: dict[str, int] = {}  # noqa: RUF012  # never changed
    exchanged: float = 0.0
    kernels: int = 0

    def and_then(self, other: "Cost", times: int = 1) -> "Cost":
        """This, and another so many times."""
        names = [*self.exchanges, *(name for name in other.exchanges if name not in self.exchanges)]
        return Cost(
            self.flops + times * other.flops,
            self.bytes + times * other.bytes,
            {name: self.exchanges.get(name, 0) + times * other.exchanges.get(name, 0) for name in names},
            self.exchanged + times * other.exchanged,
            self.kernels + times * other.kernels,
        )


class _Instruction(NamedTuple):
    name: str
    type: str
    opcode: str
    operands: tuple[str, ...]
    rest: str

    def called(self, attribute: str) -> str | None:
        found = re.search(rf"\b{attribute}=%?([\w.\-]+)", self.rest)
        return found and found[1]

    @property
    def floats(self) -> int:
        """Floating-point numbers in the result."""
        return sum(_count(dims) for dtype, dims, _ in _ARRAY.findall(self.type) if dtype.startswith(("f", "bf")))

    @property
    def bytes(self) -> int:
        """Bytes of the result in the device's memory."""
        return sum(_bytes(*array) for array in _ARRAY.findall(self.type) if array[0] in _BITS)


class _Computation(NamedTuple):
    instructions: dict[str, _Instruction]
    root: str

    def of(self, opcode: str) -> list[_Instruction]:
        return [each for each in self.instructions.values() if each.opcode == opcode]


class Program:
    """A program after compilation, as `jax.stages.Compiled.as_text` writes it."""

    def __init__(self, text: str) -> None:
        self.computations, self.entry = _parsed(text)
        self._known: dict[str, Cost] = {}

    @cached_property
    def cost(self) -> Cost:
        """Count all that one run does."""
        return self._cost(self.entry)

    def _cost(self, name: str) -> Cost:
        if name not in self._known:
            computation, total = self.computations[name], Cost()
            for instruction in computation.instructions.values():
                total = self._add(total, instruction, computation)
            self._known[name] = total
        return self._known[name]

    def _add(self, total: Cost, of: _Instruction, within: _Computation) -> Cost:
        body, condition, called = (of.called(name) for name in ("body", "condition", "to_apply"))
        if of.opcode == "while" and body and condition:
            turns = self._turns(of, condition)
            return total.and_then(self._cost(body), turns).and_then(self._cost(condition), turns)
        if of.opcode == "call" and called:
            return total.and_then(self._cost(called))
        if of.opcode == "conditional":
            branches = [self._cost(name) for name in _NAME.findall(of.rest) if name in self.computations]
            return total.and_then(max(branches, key=lambda cost: cost.bytes, default=Cost()))
        if of.opcode in _FREE or of.opcode.endswith("-done"):
            return total
        kind = of.opcode.removesuffix("-start")
        exchanges = {kind: 1} if kind in _EXCHANGES else {}
        given = sum(_bare(within.instructions[name]) for name in of.operands if name in within.instructions)
        read, written = self._moved(of, within)
        return total.and_then(Cost(self._flops(of, within), read + written, exchanges, given if exchanges else 0.0, 1))

    def _turns(self, loop: _Instruction, condition: str) -> int:
        told = re.search(r"known_trip_count\D+?(\d+)", loop.rest)
        if told:
            return int(told[1])
        # A TPU's compiler does not tell. Its conditions compare the turn, which begins at 0, with a constant, in
        # 64 bits by halves: besides that constant they hold zeros.
        constants = [each.rest.split(")")[0] for each in self._all(condition) if each.opcode == "constant"]
        found = sorted({int(text) for text in constants if text.isdecimal()} - {0})
        if len(found) != 1:
            raise ValueError(f"the turns of loop {loop.name} are not known: its condition has the constants {found}")
        return found[0]

    def _all(self, name: str) -> list[_Instruction]:
        own = list(self.computations[name].instructions.values())
        inner = [each.called("calls") for each in own]
        return own + [each for called in inner if called for each in self._all(called)]

    def _flops(self, of: _Instruction, within: _Computation) -> float:
        if of.opcode in _ARITHMETIC:
            return of.floats
        if of.opcode == "reduce" and of.operands[0] in within.instructions:
            return within.instructions[of.operands[0]].floats
        if of.opcode == "reduce-window":
            window = re.search(r"size=([\dx]+)", of.rest)
            return of.floats * prod(map(int, window[1].split("x"))) if window else 0
        if of.opcode == "dot":
            dims = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", of.rest)
            sizes = _ARRAY.search(within.instructions[of.operands[0]].type)
            sides = [int(n) for n in sizes[2].split(",") if n] if sizes else []
            return 2 * of.floats * prod(sides[int(n)] for n in dims[1].split(",") if n) if dims else 0
        if of.opcode == "convolution":  # what a TPU makes of a product
            kernel, output = within.instructions[of.operands[1]].floats, re.search(r"->(\w+)", of.rest)
            side = re.search(r"dim_labels=\w+_(\w+)->", of.rest)
            if output is None or side is None:
                return 0
            sizes = _ARRAY.search(within.instructions[of.operands[1]].type)
            out = int(sizes[2].split(",")[side[1].index("o")]) if sizes else 1
            return 2 * of.floats * kernel / out
        called = of.called("calls")
        if called is None:
            return 0
        inside = self.computations[called]
        return sum(self._flops(each, inside) for each in inside.instructions.values())

    def _moved(self, of: _Instruction, within: _Computation) -> tuple[int, int]:
        """Count the bytes that an instruction reads and writes."""
        if of.opcode.endswith("-start") and of.opcode != "async-start":
            given = [within.instructions[name] for name in of.operands if name in within.instructions]
            arrays = [array for array in _ARRAY.findall(of.type) if array[0] in _BITS]
            return sum(each.bytes for each in given), _bytes(*arrays[1]) if len(arrays) > 1 else 0
        calls = of.called("calls")
        read = sum(
            self._read(of, place, within.instructions[name].bytes)
            for place, name in enumerate(of.operands)
            if name in within.instructions
        )
        if calls is not None:
            inside = self.computations[calls]
            return read, self._written(inside.instructions[inside.root], inside, of.bytes)
        return read, self._written(of, within, of.bytes)

    def _read(self, by: _Instruction, place: int, whole: int) -> int:
        """Count the bytes that `by` reads of its operand at `place`, whose `whole` bytes there are."""
        if by.opcode in _SLICES and place == 0:
            return min(whole, by.bytes)
        if by.opcode == "dynamic-update-slice" and place == 0:
            return 0
        called = by.called("calls")
        if called is None or not whole:
            return whole
        inside = self.computations[called]
        given = next((each for each in inside.of("parameter") if each.rest.startswith(f"{place})")), None)
        return whole if given is None else min(whole, self._read_of(given.name, inside, whole))

    def _read_of(self, name: str, inside: _Computation, whole: int) -> int:
        total = 0
        for user in inside.instructions.values():
            for place, operand in enumerate(user.operands):
                if operand != name:
                    continue
                if user.opcode in ("bitcast", "reshape"):
                    total += self._read_of(user.name, inside, whole)
                elif user.opcode in _SLICES and place == 0:
                    total += _unplaced(user)
                else:
                    total += self._read(user, place, whole)
        return total

    def _written(self, of: _Instruction, within: _Computation, whole: int) -> int:
        """Count the bytes written of a result of `whole` bytes, by what makes it."""
        if not whole:
            return 0
        if of.opcode == "dynamic-update-slice":
            return min(whole, _unplaced(within.instructions[of.operands[1]]))
        if of.opcode == "bitcast" and of.operands[0] in within.instructions:
            return self._written(within.instructions[of.operands[0]], within, whole)
        if of.opcode == "tuple":
            parts = [within.instructions[name] for name in of.operands if name in within.instructions]
            return min(whole, sum(self._written(part, within, _unplaced(part)) for part in parts))
        called = of.called("calls")
        if called is not None and of.opcode == "fusion":
            inside = self.computations[called]
            return self._written(inside.instructions[inside.root], inside, whole)
        return whole


def _unplaced(of: _Instruction) -> int:
    """Count the bytes of a result inside a fusion, where no memory space is told."""
    return sum(_bytes(dtype, dims, layout.replace("S(1)", "")) for dtype, dims, layout in _arrays(of))


def _bare(of: _Instruction) -> int:
    """Count the bytes of a result wherever it is, without padding."""
    return sum(_bytes(dtype, dims, "") for dtype, dims, _ in _arrays(of))


def _arrays(of: _Instruction) -> list[tuple[str, str, str]]:
    return [array for array in _ARRAY.findall(of.type) if array[0] in _BITS]


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


def _parsed(text: str) -> tuple[dict[str, _Computation], str]:
    computations: dict[str, _Computation] = {}
    entry, name, own, root = "", "", {}, ""
    for line in text.splitlines():
        begin = re.match(r"(ENTRY )?%?([\w.\-]+) \(.*\{$", line)
        if begin:
            name, own, root = begin[2], {}, ""
            entry = name if begin[1] else entry
        elif line.startswith("}") and name:
            computations[name] = _Computation(own, root or next(reversed(own)))
            name = ""
        elif name:
            found = _instruction(line)
            if found is not None:
                own[found.name] = found
                root = found.name if line.lstrip().startswith("ROOT ") else root
    return computations, entry


def _instruction(line: str) -> _Instruction | None:
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
    return _Instruction(head[1], kind, opcode, tuple(_NAME.findall(inside)), inside + ")" + rest[close:])


def _balanced(text: str) -> int:
    """Return the end of the parenthesis that `text` begins with."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return place + 1
    raise ValueError(f"a parenthesis is not closed: {text[:80]}")
