"""What the pickle in a .pt says, without running it.

A pickle is a program for a stack machine. This one knows the opcodes that build numbers, texts, lists, tuples and
dictionaries, and a few names that stand for tensors; a name is never looked up, an opcode that is not in the table ends
the reading. numpy's numbers, which DC's files hold as accuracies, become `Opaque`.
"""

import pickletools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from kerneldistill.bundle.untrusted.limits import MAX_PICKLE_BYTES
from kerneldistill.errors import UserError


class Storage(NamedTuple):
    """A run of numbers in the archive.

    kind: torch's name of the type, such as FloatStorage
    key: name of the member
    """

    kind: str
    key: str


class Tensor(NamedTuple):
    """A view of a storage: offset, shape and strides, in numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Opaque(NamedTuple):
    """Something that is not read. name: what made it."""

    name: str


class Name(NamedTuple):
    """A global name, as text. text: module and name."""

    text: str


_MARK = Opaque("mark")


def read_pickle(content: bytes, name: str) -> Any:
    """The value that a pickle describes, of dict, list, tuple, text, numbers, None, `Tensor` and `Opaque`.

    Args:
      content: of the pickle.
      name: what to call it in messages.

    Raises:
      UserError: it is too large, or says something that is not allowed.
      Exception: of the stack machine's, where it is no pickle.
    """
    if len(content) > MAX_PICKLE_BYTES:
        raise UserError(f"{name} has {len(content):,} bytes, allowed are {MAX_PICKLE_BYTES:,}: it is no distilled set")
    machine = _Machine(name)
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "STOP":
            return machine.pop()
        machine.do(opcode.name, argument)
    raise UserError(f"{name} has no end: it is damaged")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise UserError("a tensor is not made from a storage")
    for number in (offset, *shape, *strides):
        if type(number) is not int or number < 0:
            raise UserError(f"a tensor's offset, shape or stride is {number!r}, allowed are whole numbers from 0 up")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _opaque(name: str) -> Callable[..., Opaque]:
    return lambda *arguments: Opaque(name)


# What a name may be applied to, and what that gives here.
_MEANINGS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_parameter": lambda tensor, *rest: tensor,
        "collections.OrderedDict": lambda *arguments: {},
        "numpy.core.multiarray.scalar": _opaque("numpy scalar"),
        "numpy._core.multiarray.scalar": _opaque("numpy scalar"),
        "numpy.dtype": _opaque("numpy dtype"),
        "_codecs.encode": _opaque("bytes"),
    }
)
_STORAGES = ("Double", "Float", "Half", "Long", "Int", "Short", "Char", "Byte", "Bool")
_NAMES = frozenset({*_MEANINGS, *(f"torch.{kind}Storage" for kind in _STORAGES)})


class _Machine:
    """The stack, what is on it, and what was put aside.

    name: of the pickle, for messages
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.stack: list[Any] = []
        self.aside: dict[int, Any] = {}

    def do(self, opcode: str, argument: Any) -> None:
        """One step."""
        if opcode in _PUSHES:
            self.stack.append(_PUSHES[opcode](argument))
        elif opcode in _ACTIONS:
            _ACTIONS[opcode](self, argument)
        else:
            raise UserError(f"{self.name} uses the opcode {opcode}, which data do not need: it is not read")

    def top(self) -> Any:
        """The value on top."""
        if not self.stack or self.stack[-1] is _MARK:
            raise UserError(f"{self.name} is damaged: a value is missing")
        return self.stack[-1]

    def pop(self) -> Any:
        """The value on top, taken off."""
        self.top()
        return self.stack.pop()

    def put(self, place: int) -> None:
        """Puts the value on top aside, too."""
        self.aside[place] = self.top()

    def to_mark(self) -> list[Any]:
        """All above the last mark, which goes too."""
        places = [index for index, value in enumerate(self.stack) if value is _MARK]
        if not places:
            raise UserError(f"{self.name} is damaged: a mark is missing")
        place = places[-1]
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values

    def named(self, text: str) -> Name:
        """A global name, if it is one of those that stand for data."""
        if text not in _NAMES:
            raise UserError(f"{self.name} names {text[:80]!r}, which data do not need: it is not read, and nothing ran")
        return Name(text)

    def apply(self, argument: Any) -> None:
        """REDUCE: what a name means, of its arguments."""
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Name) or function.text not in _MEANINGS or not isinstance(arguments, tuple):
            raise UserError(f"{self.name} calls something that is no tensor: it is not read, and nothing ran")
        self.stack.append(_MEANINGS[function.text](*arguments))

    def stored(self, argument: Any) -> None:
        """BINPERSID: ("storage", type, key, device, count)."""
        what, kind, key, *_ = self.pop()
        if what != "storage" or not isinstance(kind, Name) or not isinstance(key, str):
            raise UserError(f"{self.name} refers to something that is no storage")
        self.stack.append(Storage(kind.text.removeprefix("torch."), key))

    def fill(self, values: list[Any]) -> None:
        """APPENDS: values onto the list on top."""
        if type(self.top()) is not list:
            raise UserError(f"{self.name} is damaged: it appends to something that is no list")
        self.stack[-1].extend(values)

    def set_items(self, values: list[Any]) -> None:
        """SETITEMS: keys and values in turn into the dictionary on top."""
        if type(self.top()) is not dict or not all(isinstance(key, str | int) for key in values[::2]):
            raise UserError(f"{self.name} is damaged: a key or a dictionary is missing")
        self.stack[-1].update(zip(values[::2], values[1::2], strict=True))

    def set_state(self, argument: Any) -> None:
        """BUILD: a state for something whose state is not read."""
        self.pop()
        if not isinstance(self.top(), Opaque | dict):
            raise UserError(f"{self.name} sets the state of something: it is not read, and nothing ran")

    def tuple_of(self, count: int) -> None:
        """TUPLE1 to TUPLE3."""
        values = [self.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(values)))


_Action = Callable[[_Machine, Any], None]
_PUSHES: Mapping[str, Callable[[Any], Any]] = {
    "MARK": lambda a: _MARK,
    "NONE": lambda a: None,
    "NEWTRUE": lambda a: True,
    "NEWFALSE": lambda a: False,
    "EMPTY_DICT": lambda a: {},
    "EMPTY_LIST": lambda a: [],
    "EMPTY_TUPLE": lambda a: (),
    **dict.fromkeys(
        ("BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), lambda a: a
    ),
}
_ACTIONS: Mapping[str, _Action] = {
    "PROTO": lambda m, a: None,
    "FRAME": lambda m, a: None,
    "TUPLE": lambda m, a: m.stack.append(tuple(m.to_mark())),
    "TUPLE1": lambda m, a: m.tuple_of(1),
    "TUPLE2": lambda m, a: m.tuple_of(2),
    "TUPLE3": lambda m, a: m.tuple_of(3),
    "APPEND": lambda m, a: m.fill([m.pop()]),
    "APPENDS": lambda m, a: m.fill(m.to_mark()),
    "SETITEM": lambda m, a: m.set_items([m.pop(), m.pop()][::-1]),
    "SETITEMS": lambda m, a: m.set_items(m.to_mark()),
    "GLOBAL": lambda m, a: m.stack.append(m.named(a.replace(" ", "."))),
    "STACK_GLOBAL": lambda m, a: m.stack.append(m.named(".".join([m.pop(), m.pop()][::-1]))),
    "REDUCE": _Machine.apply,
    "BUILD": _Machine.set_state,
    "BINPERSID": _Machine.stored,
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), lambda m, a: m.put(a)),
    "MEMOIZE": lambda m, a: m.put(len(m.aside)),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda m, a: m.stack.append(m.aside[a])),
}
