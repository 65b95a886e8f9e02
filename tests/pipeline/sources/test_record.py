"""A bad record keeps the digest of what was found."""

import numpy as np

from kerneldistill.pipeline.sources.record import bad


def test_a_bad_record_names_its_bytes():
    assert bad("k", "r", b"abc").sha256.startswith("ba7816bf")
    assert bad("k", "r", np.frombuffer(b"abc", np.uint8)).sha256.startswith("ba7816bf")
