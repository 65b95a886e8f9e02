"""What is computed of the kernel, noted chunk by chunk."""

from collections.abc import Sized
from types import ModuleType

import numpy as np
import pytest

from kerneldistill.algorithms.gradient import kernel_of
from kerneldistill.kernels.engine import Engine


def targets_met(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[int]:
    """The targets of each chunk whose kernel with a support `module` computes from here on."""
    met: list[int] = []

    def noted(engine: Engine, features: Sized, targets: Sized, count: int) -> np.ndarray:
        met.append(count)
        return kernel_of(engine, features, targets, count)

    monkeypatch.setattr(module, "kernel_of", noted)
    return met
