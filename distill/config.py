"""The configuration of a run: frozen values, one comment each, read by nobody but `distill`.

The comments below are the texts of `kdistill run --help`. What a value must satisfy stands in `distill.checks`.
"""

import math
from dataclasses import dataclass
from typing import Literal

from pipeline.config import DataConfig

__all__ = [
    "CheckpointConfig",
    "Config",
    "DataConfig",
    "EvaluateConfig",
    "KernelConfig",
    "KrrConfig",
    "OptimConfig",
    "SupportConfig",
]


@dataclass(frozen=True)
class KernelConfig:
    """The infinitely wide network whose kernel is used (KIP: arXiv 2107.13034, appendix B)."""

    # fc: Dense-ReLU blocks. conv_net: Conv3x3-ReLU-AvgPool2 blocks. conv_vec: Conv3x3-ReLU blocks. All end with
    # flatten and dense.
    network: Literal["fc", "conv_net", "conv_vec"]
    # Number of blocks.
    depth: int
    # conv_net only: one more Conv3x3-ReLU before the first block, as in the KIP paper.
    prepend: bool = True
    # Standard deviation of the weights, NTK parameterisation.
    W_std: float = math.sqrt(2)
    # Standard deviation of the biases.
    b_std: float = 0.1
    # ntk: training by gradient descent. nngp: a Bayesian network, or training of the last layer alone.
    get: Literal["ntk", "nngp"] = "ntk"
    # Precision of the kernel tiles. The regression itself is always solved in float64.
    dtype: Literal["float32", "float64"] = "float32"


@dataclass(frozen=True)
class SupportConfig:
    """The learned set."""

    # Number of learned images in all, dealt to the classes as evenly as possible.
    size: int
    # Learn the labels too; without it they stay centred one-hot.
    learn_labels: bool = False


@dataclass(frozen=True)
class OptimConfig:
    """The outer loop."""

    # The optimiser.
    name: Literal["adam"] = "adam"
    # Step size of the optimiser, in units of whitened pixels.
    learning_rate: float = 4e-2
    # Number of outer steps in all.
    steps: int = 300
    # Training images whose labels are predicted in one step; at most all of them are used.
    target_batch: int = 5000


@dataclass(frozen=True)
class KrrConfig:
    """Kernel ridge regression from the learned set."""

    # Ridge, relative to the mean diagonal of the support's kernel: K + ridge * trace(K) / n * I.
    ridge: float = 1e-6


@dataclass(frozen=True)
class EvaluateConfig:
    """What is measured, and when."""

    # Steps between two evaluations on the validation split.
    every: int = 20
    # Random real sets of the same size evaluated beside the learned one.
    baseline_draws: int = 5


@dataclass(frozen=True)
class CheckpointConfig:
    """What is kept to resume from."""

    # Save after the steps 1, 2, 4, 6, 8, 12, 18, 26, ... 1000, each about 1.44 times the one before, as KIP released.
    geometric: bool = True
    # Steps between two checkpoints beside those.
    every: int = 500
    # Minutes after the last checkpoint at which the next step is saved whatever its number; 0 for never.
    minutes: float = 10.0
    # Number of newest checkpoints kept.
    keep: int = 3
    # Keep those of the geometric schedule, too, for good.
    keep_geometric: bool = False


@dataclass(frozen=True)
class Config:
    """A whole run."""

    data: DataConfig
    kernel: KernelConfig
    support: SupportConfig
    optim: OptimConfig = OptimConfig()
    krr: KrrConfig = KrrConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    # Seed of everything that is drawn after the data are prepared: first images, target batches, baselines.
    seed: int = 0
