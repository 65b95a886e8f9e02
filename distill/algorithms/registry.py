"""The algorithms of the outer loop, by the name of the optimiser that chooses them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, get_args

from kerneldistill.algorithms.algorithm import Algorithm
from kerneldistill.algorithms.gauss_newton import GaussNewton
from kerneldistill.algorithms.kip import Kip
from kerneldistill.config.schema import Config, OptaxName

# Of the optimisers of optax, which follow the gradient.
_KIP = Kip()

ALGORITHMS: Mapping[str, Algorithm[Any]] = MappingProxyType(
    {**dict.fromkeys(get_args(OptaxName), _KIP), "gauss_newton": GaussNewton()}
)


def algorithm_of(config: Config) -> Algorithm[Any]:
    """The algorithm of a run."""
    return ALGORITHMS[config.optim.name]
