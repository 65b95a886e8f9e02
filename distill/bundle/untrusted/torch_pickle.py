"""The pickle in a .pt, read by `pickle.Unpickler` with nothing to call but what stands for data.

A pickle is a program for a stack machine. Three things keep a stranger's one harmless:

- `find_class` answers with a `_Maker` of this module for the few names that torch's data need, and refuses all others;
- a scan before the run allows only the opcodes that build data, so nothing else of the machine can be reached;
- the scan bounds the cost. Left alone, `pickle` lets 9 bytes ask for 32 GB (a value kept at place 2^31), 300 bytes run
  for ever (a pair of the same pair, 60 times, as a key: 2^60 steps to hash), 4 MB run for hours (whole numbers of one
  hash as keys), and 160 kB overflow the C stack (a tuple 160,000 deep as a key). So tuples are few and none is used
  twice, whole numbers have 64 bits, and places are no more than opcodes. What passes takes at most 1.2 s and 80 MB.

numpy's numbers, which DC's files hold as accuracies, become `Opaque`.
"""

import io
import pickle
import pickletools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from kerneldistill.errors import UserError
from kerneldistill.pipeline.untrusted.limits import MAX_PICKLE_BYTES

# DC's file of 20 experiments with their accuracies has some 50,000.
_MAX_OPCODES = 1_000_000
# A tensor takes five, a numpy number four. As deep as this, a hash takes a megabyte of the C stack.
_MAX_TUPLES = 20_000
_MAX_AXES = 8
_TUPLES = frozenset({"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"})
_PUTS = frozenset({"BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"BINGET", "LONG_BINGET"})
_CONSTANTS = frozenset({"NONE", "NEWTRUE", "NEWFALSE", "BINFLOAT", "BININT", "BININT1", "BININT2", "LONG1"})
_TEXTS = frozenset({"BINUNICODE", "SHORT_BINUNICODE"})
_CONTAINERS = frozenset({"MARK", "EMPTY_DICT", "EMPTY_LIST", "APPEND", "APPENDS", "SETITEM", "SETITEMS"})
_CALLS = frozenset({"GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "BINPERSID"})
_ALLOWED = _TUPLES | _PUTS | _GETS | _CONSTANTS | _TEXTS | _CONTAINERS | _CALLS | {"PROTO", "FRAME", "STOP"}


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

    def __setstate__(self, state: object) -> None:
        """Drop the state: numpy's dtypes have one."""


class _State(dict[Any, Any]):
    """A dictionary of torch's, which keeps its version as a state."""

    def __setstate__(self, state: object) -> None: ...


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise UserError("a tensor is not made from a storage")
    if max(len(shape), len(strides)) > _MAX_AXES or not all(
        type(number) is int and number >= 0 for number in (offset, *shape, *strides)
    ):
        raise UserError(f"a tensor's offset, shape or stride is not up to {_MAX_AXES} whole numbers from 0 up")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _parameter(tensor: Any, *rest: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise UserError("a parameter is not made from a tensor")
    return tensor


def _opaque(name: str) -> Callable[..., Opaque]:
    return lambda *arguments: Opaque(name)


def _no_call(*arguments: object) -> object:
    raise UserError("it calls something that is no tensor: it is not read, and nothing ran")


# What a name may be applied to, and what that gives here.
_MEANINGS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_parameter": _parameter,
        "collections.OrderedDict": lambda *arguments: _State(),
        "numpy.core.multiarray.scalar": _opaque("numpy scalar"),
        "numpy._core.multiarray.scalar": _opaque("numpy scalar"),
        "numpy.dtype": _opaque("numpy dtype"),
        "_codecs.encode": _opaque("bytes"),
        **{
            f"torch.{kind}Storage": _no_call
            for kind in ("Double", "Float", "Half", "Long", "Int", "Short", "Char", "Byte", "Bool")
        },
    }
)


class _Maker(NamedTuple):
    """A global name of the pickle; a call makes what stands for it here. A tuple has no state that BUILD could set."""

    name: str

    def __call__(self, *arguments: object) -> object:
        return _MEANINGS[self.name](*arguments)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> _Maker:
        name = f"{module_name}.{global_name}"
        if name not in _MEANINGS:
            raise UserError(f"it names {name[:80]!r}, which data do not need: it is not read, and nothing ran")
        return _Maker(name)

    def persistent_load(self, pid: Any, /) -> Storage:
        """Return the storage of ("storage", type, key, device, count)."""
        if isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage":
            _, kind, key, *_ = pid
            if isinstance(kind, _Maker) and isinstance(key, str):
                return Storage(kind.name.removeprefix("torch."), key)
        raise UserError("it refers to something that is no storage")


def read_pickle(content: bytes, name: str) -> Any:
    """Return the value that a pickle describes, of dict, list, tuple, text, numbers, None, `Tensor` and `Opaque`.

    Args:
      content: of the pickle.
      name: what to call it in messages.

    Raises:
      UserError: it is damaged, costs too much, or says something that is not allowed.
    """
    if len(content) > MAX_PICKLE_BYTES:
        raise UserError(f"{name} has {len(content):,} bytes, allowed are {MAX_PICKLE_BYTES:,}: it is no distilled set")
    try:
        _scan(content)
        return _Unpickler(io.BytesIO(content)).load()
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except Exception as error:  # of any class: it depends on the byte that is damaged
        raise UserError(f"{name} is damaged ({type(error).__name__}: {' '.join(str(error).split())[:200]})") from error


def _scan(content: bytes) -> None:
    """Refuse opcodes that data do not need, and costs that are not linear."""
    tuples, on_top, puts, kept = 0, False, 0, set[int]()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        name = opcode.name
        if name not in _ALLOWED:
            raise UserError(f"it uses the opcode {name}, which data do not need: it is not read, and nothing ran")
        if name in _PUTS:
            place = puts if argument is None else argument
            puts += 1
            if place > count:
                raise UserError(f"it keeps a value at place {place:,}, allowed are places up to {count:,} there")
            (kept.add if on_top else kept.discard)(place)
            continue
        if name in _GETS and argument in kept:
            raise UserError("it uses a tuple twice, which data do not need: it is not read")
        if name == "LONG1" and isinstance(argument, int) and abs(argument) >= 2**63:
            raise UserError("it has a whole number of more than 64 bits, which data do not need: it is not read")
        on_top = name in _TUPLES
        tuples += on_top
        if tuples > _MAX_TUPLES or count > _MAX_OPCODES:
            raise UserError(f"it has over {_MAX_TUPLES:,} tuples or {_MAX_OPCODES:,} opcodes: it is no distilled set")
