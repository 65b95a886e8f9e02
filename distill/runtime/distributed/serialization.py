"""Calls as bytes, in which large arrays that last are sent once.

A call's arguments hold the data set. An array of `LARGE` bytes or more is sent with the first call that names it, and
kept where it arrives for as long as it lives where it came from; other calls hold its number. Arrays are not to be
changed in place.
"""

import io
import pickle
import weakref
from itertools import count
from typing import Any

import numpy as np

LARGE = 1 << 20


class Sender:
    """The side that calls."""

    def __init__(self) -> None:
        self._numbers = count()
        self._known: dict[int, tuple[int, weakref.ref[np.ndarray]]] = {}
        self._gone: list[int] = []

    def pack(self, call: object) -> tuple[bytes, list[np.ndarray]]:
        """A call as bytes for `Receiver.unpack`, and the arrays that are to be sent before it."""
        fresh: dict[int, np.ndarray] = {}
        buffer = io.BytesIO()
        pickler = _Pickler(buffer, lambda array: self._number(array, fresh))
        pickler.dump(call)
        gone, self._gone = self._gone, []
        described = [(number, array.dtype.str, array.shape) for number, array in fresh.items()]
        return pickle.dumps((gone, described, buffer.getvalue())), list(fresh.values())

    def _number(self, array: np.ndarray, fresh: dict[int, np.ndarray]) -> int:
        known = self._known.get(id(array))
        if known is not None and known[1]() is array:
            return known[0]
        number = next(self._numbers)
        key = id(array)

        def forget(_: weakref.ref[np.ndarray]) -> None:
            self._gone.append(number)
            if self._known.get(key, (None,))[0] == number:
                del self._known[key]

        self._known[key] = (number, weakref.ref(array, forget))
        fresh[number] = array
        return number


class Receiver:
    """The side that is called."""

    def __init__(self) -> None:
        self._kept: dict[int, np.ndarray] = {}

    def expected(self, parcel: bytes) -> list[np.ndarray]:
        """Empty arrays, to be filled with those that come with a parcel, before it is unpacked."""
        gone, described, _ = pickle.loads(parcel)
        for number in gone:
            self._kept.pop(number, None)
        arrays = [np.empty(shape, dtype) for _, dtype, shape in described]
        self._kept |= {number: array for (number, _, _), array in zip(described, arrays, strict=True)}
        return arrays

    def unpack(self, parcel: bytes) -> Any:
        """The call."""
        return _Unpickler(io.BytesIO(pickle.loads(parcel)[2]), self._kept).load()


class _Pickler(pickle.Pickler):
    def __init__(self, file, number) -> None:
        super().__init__(file)
        self._number = number

    def persistent_id(self, obj: object) -> int | None:
        if type(obj) is np.ndarray and obj.nbytes >= LARGE and obj.dtype.kind in "iuf":
            return self._number(obj)
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, kept: dict[int, np.ndarray]) -> None:
        super().__init__(file)
        self._kept = kept

    def persistent_load(self, number: int) -> np.ndarray:
        return self._kept[number]
