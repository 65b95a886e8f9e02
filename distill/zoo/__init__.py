"""Learned sets that come with the package: `kd.zoo.names()`, `kd.zoo.load("digits-1ipc")`.

store          the sets by name          packed         a bundle as one file of less than 200 kB
small_matrix   the whitening's matrix by the part of it that matters
"""

from kerneldistill.zoo.store import load, names

__all__ = ["load", "names"]
