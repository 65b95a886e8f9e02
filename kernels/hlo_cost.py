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

from kerneldistill.kernels.hlo import NAME, Computation, Instruction, parsed

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


class Program:
    """A program after compilation, as `jax.stages.Compiled.as_text` writes it."""

    def __init__(self, text: str) -> None:
        self.computations, self.entry = parsed(text)
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

    def _add(self, total: Cost, of: Instruction, within: Computation) -> Cost:
        body, condition, called = (of.called(name) for name in ("body", "condition", "to_apply"))
        if of.opcode == "while" and body and condition:
            turns = self._turns(of, condition)
            return total.and_then(self._cost(body), turns).and_then(self._cost(condition), turns)
        if of.opcode == "call" and called:
            return total.and_then(self._cost(called))
        if of.opcode == "conditional":
            branches = [self._cost(name) for name in NAME.findall(of.rest) if name in self.computations]
            return total.and_then(max(branches, key=lambda cost: cost.bytes, default=Cost()))
        if of.opcode in _FREE or of.opcode.endswith("-done"):
            return total
        kind = of.opcode.removesuffix("-start")
        exchanges = {kind: 1} if kind in _EXCHANGES else {}
        given = sum(each.bare for each in within.given(of))
        read, written = self._moved(of, within)
        return total.and_then(Cost(self._flops(of, within), read + written, exchanges, given if exchanges else 0.0, 1))

    def _turns(self, loop: Instruction, condition: str) -> int:
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

    def _all(self, name: str) -> list[Instruction]:
        own = list(self.computations[name].instructions.values())
        inner = [each.called("calls") for each in own]
        return own + [each for called in inner if called for each in self._all(called)]

    def _flops(self, of: Instruction, within: Computation) -> float:
        if of.opcode in _ARITHMETIC:
            return of.floats
        if of.opcode == "reduce" and of.operands[0] in within.instructions:
            return within.instructions[of.operands[0]].floats
        if of.opcode == "reduce-window":
            window = re.search(r"size=([\dx]+)", of.rest)
            return of.floats * prod(map(int, window[1].split("x"))) if window else 0
        if of.opcode in ("dot", "convolution"):
            return 2 * of.floats * _summed(of, within)
        if of.opcode == "custom-call":
            # A kernel of ours tells: `kernels.resolution.call`.
            told = re.search(r'"flops":"(\d+)"', of.rest)
            return float(told[1]) if told else 0
        called = of.called("calls")
        if called is None:
            return 0
        inside = self.computations[called]
        return sum(self._flops(each, inside) for each in inside.instructions.values())

    def _moved(self, of: Instruction, within: Computation) -> tuple[int, int]:
        """Count the bytes that an instruction reads and writes."""
        if of.opcode.endswith("-start") and of.opcode != "async-start":
            return sum(each.bytes for each in within.given(of)), sum(of.each_bytes[1:2])
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

    def _read(self, by: Instruction, place: int, whole: int) -> int:
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

    def _read_of(self, name: str, inside: Computation, whole: int) -> int:
        total = 0
        for user in inside.instructions.values():
            for place, operand in enumerate(user.operands):
                if operand != name:
                    continue
                if user.opcode in ("bitcast", "reshape"):
                    total += self._read_of(user.name, inside, whole)
                elif user.opcode in _SLICES and place == 0:
                    total += user.unplaced
                else:
                    total += self._read(user, place, whole)
        return total

    def _written(self, of: Instruction, within: Computation, whole: int) -> int:
        """Count the bytes written of a result of `whole` bytes, by what makes it."""
        if not whole:
            return 0
        if of.opcode == "dynamic-update-slice":
            return min(whole, within.instructions[of.operands[1]].unplaced)
        if of.opcode == "bitcast" and of.operands[0] in within.instructions:
            return self._written(within.instructions[of.operands[0]], within, whole)
        if of.opcode == "tuple":
            return min(whole, sum(self._written(part, within, part.unplaced) for part in within.given(of)))
        called = of.called("calls")
        if called is not None and of.opcode == "fusion":
            inside = self.computations[called]
            return self._written(inside.instructions[inside.root], inside, whole)
        return whole


def _summed(product: Instruction, within: Computation) -> float:
    """Count the products that are summed for a number of a matrix product, which for a TPU is a convolution."""
    first, second = within.given(product)
    if product.opcode == "dot":
        dims = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", product.rest)
        return prod(first.sizes[int(n)] for n in dims[1].split(",") if n) if dims else 1
    labels = re.search(r"dim_labels=(\w+)_(\w+)->", product.rest)
    if labels is None:
        return 1
    # Of a window beyond the images, which is how it writes an outer product, no more counts than they hold.
    inside = prod(size for size, label in zip(first.sizes, labels[1], strict=True) if label.isdigit())
    window = prod(size for size, label in zip(second.sizes, labels[2], strict=True) if label.isdigit())
    return second.sizes[labels[2].index("i")] * min(inside, window)
