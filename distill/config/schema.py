"""The configuration of a run: frozen values, one comment each.

The comments are the texts of `kdistill run --help`; a type holds the range that is allowed, and a `Mark` when a setting
may change (`config.marks`). What several values must satisfy together stands in `config.validation`.
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from annotated_types import Interval

from kerneldistill.config.marks import (
    ANYTIME,
    Count,
    CountOrZero,
    Depth,
    Fraction,
    Mark,
    NotNegative,
    Positive,
    Seed,
)
from kerneldistill.config.optim_config import (
    GaussNewtonConfig,
    GrowthConfig,
    OptaxName,
    OptimConfig,
    OptimizerName,
    ScheduleConfig,
)
from kerneldistill.kernels.names import ActivationName, KernelKind, NetworkName, Parameterization
from kerneldistill.pipeline.config import DataConfig

__all__ = [
    "FEATURES",
    "ActivationName",
    "AugmentConfig",
    "AugmentationName",
    "CheckpointConfig",
    "Config",
    "DataConfig",
    "EvaluateConfig",
    "GaussNewtonConfig",
    "GrowthConfig",
    "KernelConfig",
    "KrrConfig",
    "LossConfig",
    "OptaxName",
    "OptimConfig",
    "OptimizerName",
    "RandomFeaturesConfig",
    "ScheduleConfig",
    "StrengthConfig",
    "SupportConfig",
    "ViewName",
]

# Of `KernelConfig.network`: no network.
FEATURES: Final = "features"


@dataclass(frozen=True)
class KernelConfig:
    """The infinitely wide network whose kernel is used (KIP: arXiv 2107.13034, appendix B)."""

    # fc: blocks of dense, activation. conv_net: blocks of conv 3x3, activation, average pool 2x2. conv_vec: blocks of
    # conv 3x3, activation. myrtle: Myrtle-5, 7 or 10. wide_resnet: groups of residual blocks with pools between them.
    # resnet: ResNet-10, 18 or 34, pre-activation, with strides of 2 and 1x1 shortcuts. vit: layers of attention between
    # patches and of a perceptron. features: no network, but the products of the features of an encoder of yours, and
    # b_std^2.
    network: Annotated[Literal[NetworkName, "features"], Mark(example="conv_net")]
    # Number of blocks; of a myrtle its name (5, 7 or 10), of a resnet, too (10, 18 or 34); of a wide_resnet the blocks
    # of each group.
    depth: Annotated[Depth, Mark(example=3)]
    # conv_net only: one more conv 3x3 and activation before the first block, as in the KIP paper.
    prepend: bool = True
    # After every layer but the last.
    activation: ActivationName = "relu"
    # sin, softplus and tanh only, which are expanded in Hermite polynomials: the degree. Default: 24.
    activation_degree: Annotated[Count | None, Mark(example=48)] = None
    # The same: nodes of the quadrature by which the coefficients are found. Default: twice the degree and 16.
    activation_nodes: Annotated[Count | None, Mark(example=128)] = None
    # conv_net, wide_resnet and resnet: end with the mean over the pixels; else with flatten, all pixels as one vector.
    # Default: flatten for a conv_net, the mean for the others.
    global_pool: bool | None = None
    # myrtle only: average pools after its last block; 3 take images of 32x32 to one pixel.
    pools: CountOrZero = 3
    # wide_resnet only: number of groups.
    groups: Count = 3
    # vit only: pixels of a side of a patch. An entry costs the number of patches cubed.
    patch: Count = 4
    # Standard deviation of the weights.
    W_std: Positive = 2**0.5
    # Standard deviation of the biases; features: its square is added to every product.
    b_std: NotNegative = 0.1
    # ntk: every weight learns at a rate that does not depend on width. standard: as deep learning libraries scale
    # weights (arXiv 2001.07301); needs a width.
    parameterization: Parameterization = "ntk"
    # standard only: channels of the hidden layers of the network whose wide limit is meant.
    width: Annotated[Count | None, Mark(example=1024)] = None
    # ntk: training by gradient descent. nngp: a Bayesian network, or training of the last layer alone.
    get: KernelKind = "ntk"
    # features only: the encoder, module:function, from images [n, h, w, c] to features [n, d], differentiable by jax.
    # The module is looked for in the folder you are in, too.
    encoder: Annotated[str | None, Mark(example="encoder:phi")] = None
    # Precision of the kernel tiles. The regression itself is always solved in float64.
    dtype: Annotated[Literal["float32", "float64"], Mark("never")] = "float32"
    # Kernels of which each step draws one to learn by ("sampling KIP"), each written as what differs from the one
    # above, by which the set is always judged: network=conv_vec,depth=8 or same. Empty: the one above alone.
    sampled: tuple[str, ...] = ()


AugmentationName = Literal["color", "crop", "cutout", "flip", "rotate", "scale"]


@dataclass(frozen=True)
class StrengthConfig:
    """How strong each augmentation is; the defaults are those of DSA's code (arXiv 2102.08259)."""

    # flip: probability that an image is mirrored, left to right.
    flip: Fraction = 0.5
    # crop: largest shift each way, as part of the side; zeros come in.
    crop: Fraction = 0.125
    # rotate: largest angle, in degrees.
    rotate: NotNegative = 15.0
    # scale: largest factor, of height and width each by itself; its inverse is the smallest.
    scale: Annotated[float, Interval(ge=1)] = 1.2
    # color: width of the interval around 0 from which a brightness is added.
    brightness: NotNegative = 1.0
    # color: largest factor of the differences between channels; 0 is the smallest.
    saturation: NotNegative = 2.0
    # color: smallest factor of the differences from the image's mean; the largest is 1 more.
    contrast: NotNegative = 0.5
    # cutout: side of the square of zeros, as part of the image's.
    cutout: Fraction = 0.5
    # Of all of them, as part of what is said above: 0 changes nothing. A tenth of RandAugment's m.
    magnitude: Fraction = 1.0


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of the targets, drawn for each image and step (KIP: arXiv 2107.13034, section 5)."""

    # What is done, in this order, in the space of channel-standardised pixels; they are whitened again afterwards.
    names: tuple[AugmentationName, ...] = ()
    # Only one of the names in each step, drawn for all its targets.
    single: bool = False
    # RandAugment's n (arXiv 1909.13719): so many of the names for each image and step, each drawn anew. 0: all of them.
    number: CountOrZero = 0
    # How strong each is.
    strength: StrengthConfig = StrengthConfig()


@dataclass(frozen=True)
class RandomFeaturesConfig:
    """A cheap estimate of the kernel to learn by: finite networks drawn anew for each step (arXiv 2210.12067)."""

    # Networks drawn for each step. 0: the exact kernel.
    networks: CountOrZero = 0
    # Channels of their hidden layers.
    width: Count = 256
    # Networks, drawn once, whose estimate judges on the validation split. Test scores are those of the exact kernel.
    judges: Count = 16


@dataclass(frozen=True)
class SupportConfig:
    """The learned set."""

    # Number of learned images in all, dealt to the classes as evenly as possible.
    size: Annotated[Count, Mark("never", example=10)]
    # Learn the labels too; without it they stay centred one-hot.
    learn_labels: bool = False
    # Where it starts: real (images of the training split), noise (normal pixels of their mean and deviation), or the
    # folder of a bundle or of a run, whose images are whitened anew where that was done otherwise.
    start: Annotated[str, Mark("never")] = "real"
    # Regress from the images and their mirror images, with the same labels.
    flip: bool = False
    # learn_labels only: when all steps are done, fit the labels of the chosen set anew, to come closest to one-hot
    # labels (mse) or to classify best (cross_entropy); kept if they classify validation better.
    refit: Annotated[Literal["none", "mse", "cross_entropy"], Mark("resume")] = "none"
    # Training images that they are fitted to.
    refit_targets: Annotated[Count, Mark("resume", example=10000)] = 10000
    # Deal the images to the devices in so many parts, and the targets to those that have a part in common: for
    # thousands of images, whose kernels and gradients would else be whole on each device. It divides size and devices.
    shards: Annotated[Count, Mark("resume", stage=None, example=2)] = 1


@dataclass(frozen=True)
class LossConfig:
    """What the predictions of the targets' labels cost."""

    # mse: half the mean square, as in KIP. cross_entropy: of softmax(predictions / temperature).
    name: Literal["mse", "cross_entropy"] = "mse"
    # cross_entropy only: the temperature, where it is learned its first value.
    temperature: Positive = 0.1
    # cross_entropy only: learn it (Platt scaling, as in arXiv 2210.12067).
    learn_temperature: bool = True


@dataclass(frozen=True)
class KrrConfig:
    """Kernel ridge regression from the learned set."""

    # Ridge, relative to the mean diagonal of the support's kernel: K + ridge * trace(K) / n * I.
    ridge: NotNegative = 1e-6
    # Ridge of the first step, from which it falls or rises geometrically to `ridge`. Default: `ridge` from the start.
    # Validation and test always have `ridge`.
    first_ridge: Annotated[Positive | None, Mark(example=0.01)] = None
    # Steps that this takes. Default: all.
    ridge_steps: Annotated[Count | None, Mark(example=100)] = None


ViewName = Literal["flip", "shift"]
BestBy = Literal["accuracy", "mse"]


@dataclass(frozen=True)
class EvaluateConfig:
    """What is measured, and when."""

    # Steps between two evaluations on the validation split.
    every: Count = 20
    # Which set is the best on validation: of most accuracy, or of least mse, which few images tell more finely.
    best_by: BestBy = "accuracy"
    # Random real sets of the same size evaluated beside the learned one.
    baseline_draws: Annotated[CountOrZero, Mark("resume", stage="evaluate")] = 5
    # Predict test once more, by the mean kernel of several views of each image: flip (itself and its mirror image),
    # shift (itself and a pixel each way), or both. Each view costs a pass over test.
    ensemble: Annotated[tuple[ViewName, ...], Mark("resume", stage="evaluate", example=("flip",))] = ()


@dataclass(frozen=True)
class CheckpointConfig:
    """What is kept to resume from."""

    # Save after the steps 1, 2, 4, 6, 8, 12, 18, 26, ... 1000, each about 1.44 times the one before, as KIP released.
    geometric: bool = True
    # Steps between two checkpoints beside those.
    every: Count = 500
    # Minutes after the last checkpoint at which the next step is saved whatever its number; 0 for never.
    minutes: NotNegative = 10.0
    # Number of newest checkpoints kept.
    keep: Count = 3
    # Keep those of the geometric schedule, too, for good.
    keep_geometric: bool = False


@dataclass(frozen=True)
class Config:
    """A whole run."""

    data: Annotated[DataConfig, Mark("never", inside=(("dir", ANYTIME),))]
    kernel: KernelConfig
    support: SupportConfig
    loss: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()
    random_features: RandomFeaturesConfig = RandomFeaturesConfig()
    optim: OptimConfig = OptimConfig()
    krr: KrrConfig = KrrConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    checkpoint: Annotated[CheckpointConfig, ANYTIME] = CheckpointConfig()
    # Levels to learn at first, the coarsest first, each begun with the images of the one before: a size of the images
    # (16), the settings that differ (kernel.get=nngp), or both (16,optim.steps=800).
    coarse: Annotated[tuple[int | str, ...], Mark("never", example=16)] = ()
    # Seed of everything that is drawn after the data are prepared: first images, target batches, baselines.
    seed: Annotated[Seed, Mark("never")] = 0
