"""The sections of a `Config` that say how a run learns: its optimiser, schedules and batches."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from kerneldistill.config.marks import Count, CountOrZero, Decay, FractionAbove0, Mark, NotNegative, Positive


@dataclass(frozen=True)
class ScheduleConfig:
    """The factor that all learning rates have at a step."""

    # constant: 1. cosine, linear: from 1 to `end` at the last step. piecewise: times `drop` at each of `at`.
    name: Literal["constant", "cosine", "linear", "piecewise"] = "constant"
    # Steps in which it rises from 0 first, in a straight line.
    warmup: CountOrZero = 0
    # cosine and linear only: the factor at the last step.
    end: NotNegative = 0.1
    # piecewise only: the steps at which it drops, ascending.
    at: tuple[int, ...] = ()
    # piecewise only: the factor of each drop.
    drop: Positive = 0.1


@dataclass(frozen=True)
class GrowthConfig:
    """How the number of targets of a step grows to `optim.target_batch`."""

    # constant: it does not. linear, geometric: it passes through `sizes` numbers, even in their differences or their
    # ratios, each for as many steps. piecewise: it grows at each of `at`, by the same ratio. noise: it grows by a ratio
    # when the noise of the gradient asks for it (arXiv 1812.06162).
    name: Literal["constant", "linear", "geometric", "piecewise", "noise"] = "constant"
    # All but constant: targets of the first step.
    first: Count = 100
    # linear, geometric and noise only: how many numbers there are, first and last among them; each compiles programs.
    sizes: Annotated[int, Ge(2)] = 4
    # piecewise only: the steps at which it grows, ascending.
    at: tuple[int, ...] = ()
    # noise only: targets of a step as a part of those at which noise and gradient are as long as each other.
    noise: Positive = 1.0


@dataclass(frozen=True)
class GaussNewtonConfig:
    """Second-order steps, which use the targets of earlier steps again."""

    # Targets of the newest steps whose kernels are kept, linearised, in memory: 4,000 of ten 32x32 images take 0.5 GB.
    memory: Count = 4000
    # Damping of the first step, relative to the mean squared gradient of a prediction; larger is shorter steps.
    damping: Positive = 1.0
    # That of the last step; from one to the other geometrically.
    last_damping: Positive = 0.1
    # Conjugate gradients' iterations of a step, at most.
    iterations: Count = 30


OptaxName = Literal["adam", "adamw", "adabelief", "lamb", "sgd"]
OptimizerName = Literal["adam", "adamw", "adabelief", "lamb", "sgd", "gauss_newton"]


@dataclass(frozen=True)
class OptimConfig:
    """The outer loop."""

    # The optimiser of images and labels: one of optax's, or gauss_newton. That takes whole second-order steps times the
    # schedule, and eliminates labels that are learned; it needs the exact kernel and the loss mse. A temperature is
    # always learned by adam.
    name: OptimizerName = "adam"
    # Step size of the optimiser, in units of whitened pixels.
    learning_rate: Positive = 4e-2
    # Step size of learned labels. Default: that of the images.
    label_learning_rate: Annotated[Positive | None, Mark(example=0.01)] = None
    # Step size of the logarithm of a learned temperature.
    temperature_learning_rate: Positive = 1e-2
    # Step size of a matrix that all images are multiplied by, learned from the identity (RFAD: arXiv 2210.12067).
    # Default: there is none.
    transform_learning_rate: Annotated[Positive | None, Mark(example=5e-5)] = None
    # How the step sizes change.
    schedule: ScheduleConfig = ScheduleConfig()
    # sgd: momentum. The others: decay of the mean gradient (beta 1).
    momentum: Decay = 0.9
    # All but sgd: decay of the mean squared gradient (beta 2).
    second_momentum: Decay = 0.999
    # All but sgd: added to the root of the mean squared gradient. Default: optax's.
    epsilon: Annotated[Positive | None, Mark(example=1e-8)] = None
    # adamw and lamb only: decay of images and labels, times the step size.
    weight_decay: NotNegative = 0.0
    # Largest norm of the gradient by the images, and of that by the labels; longer ones are shortened to it.
    clip: Annotated[Positive | None, Mark(example=1.0)] = None
    # Number of outer steps in all.
    steps: Annotated[CountOrZero, Mark("longer")] = 300
    # End when so many steps brought no set that predicts validation better. Default: take all steps.
    patience: Annotated[Count | None, Mark("resume", example=1000)] = None
    # Training images whose labels are predicted in one step; at most all of them are used.
    target_batch: Count = 5000
    # How that number grows over the steps, to `target_batch`. Step sizes and ridge go by steps, whatever their targets.
    growth: GrowthConfig = GrowthConfig()
    # gauss_newton only.
    gauss_newton: GaussNewtonConfig = GaussNewtonConfig()
    # Also keep the mean of the sets of about this part of the steps done; the better on validation is handed out.
    average: Annotated[FractionAbove0 | None, Mark(example=0.1)] = None
