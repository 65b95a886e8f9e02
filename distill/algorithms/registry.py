"""The algorithms of the outer loop by name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kerneldistill.algorithms.algorithm import Algorithm
from kerneldistill.algorithms.kip import Kip
from kerneldistill.config.schema import Config

ALGORITHMS: Mapping[str, Algorithm[Any]] = MappingProxyType({"kip": Kip()})


def algorithm_of(config: Config) -> Algorithm[Any]:
    """The algorithm of a run. There is one; a setting that chooses belongs in `OptimConfig` when there are two."""
    del config
    return ALGORITHMS["kip"]
