"""Calls as bytes: large arrays that last travel once."""

import gc

import numpy as np

from kerneldistill.runtime.distributed.serialization import LARGE, Receiver, Sender


def sent(sender: Sender, receiver: Receiver, call: object) -> tuple[object, list[np.ndarray]]:
    """What arrives, and the arrays that travelled beside it."""
    parcel, arrays = sender.pack(call)
    for empty, array in zip(receiver.expected(parcel), arrays, strict=True):
        empty[...] = array
    return receiver.unpack(parcel), arrays


def test_large_arrays_travel_once_for_as_long_as_they_live() -> None:
    sender, receiver = Sender(), Receiver()
    large, small = np.arange(LARGE // 8, dtype=np.float64).reshape(2, -1), np.arange(5)
    found, arrays = sent(sender, receiver, (len, [large, small, large]))
    assert len(arrays) == 1
    assert found[0] is len
    assert np.array_equal(found[1][0], large)
    assert np.array_equal(found[1][1], small)
    assert found[1][2] is found[1][0]
    again, arrays = sent(sender, receiver, {"same": large})
    assert arrays == []
    assert again["same"] is found[1][0]
    del large, arrays
    gc.collect()
    other = np.ones(LARGE, np.float32)
    found, arrays = sent(sender, receiver, other)
    assert np.array_equal(found, other)
    assert len(arrays) == 1
    assert len(receiver._kept) == 1


def test_parcels_of_known_arrays_are_small() -> None:
    sender = Sender()
    large = np.zeros(LARGE, np.float32)
    sender.pack(large)
    assert len(sender.pack(large)[0]) < 200
