"""Named configurations: what `kdistill run NAME` starts from before files and flags change it."""

from dataclasses import replace
from types import MappingProxyType

from kerneldistill.config.schema import (
    CheckpointConfig,
    Config,
    DataConfig,
    EvaluateConfig,
    GaussNewtonConfig,
    GrowthConfig,
    KernelConfig,
    KrrConfig,
    LossConfig,
    OptimConfig,
    RandomFeaturesConfig,
    SupportConfig,
)
from kerneldistill.pipeline.sources.registry import AUTO

# Ten images of 8x8 digits, in a minute on two CPU cores: the data come with scikit-learn, nothing is downloaded.
DIGITS = Config(
    data=DataConfig(name="digits", whiten="standard"),
    kernel=KernelConfig(network="conv_net", depth=2),
    support=SupportConfig(size=10),
    optim=OptimConfig(learning_rate=4e-2, steps=80, target_batch=400),
    evaluate=EvaluateConfig(every=10),
    checkpoint=CheckpointConfig(every=10),
)

# The same, but for the loss: a cross-entropy whose temperature is learned, and with it the labels.
DIGITS_CE = replace(DIGITS, support=SupportConfig(size=10, learn_labels=True), loss=LossConfig("cross_entropy"))

# The run of the published KIP notebook: 100 images, one hidden layer, labels fixed, no ZCA; 46.7 % on test there.
CIFAR10_FC1 = Config(
    data=DataConfig(name="cifar10", whiten="standard"),
    kernel=KernelConfig(network="fc", depth=1),
    support=SupportConfig(size=100, learn_labels=False),
    optim=OptimConfig(learning_rate=4e-2, steps=300, target_batch=5000),
    krr=KrrConfig(ridge=1e-6),
)

# KIP's ConvNet (arXiv 2107.13034, table 1) on the easiest of its data sets; ZCA does not help grey images.
FASHION_CONVNET_1 = Config(
    data=DataConfig(name="fashion_mnist", whiten="standard"),
    kernel=KernelConfig(network="conv_net", depth=3),
    support=SupportConfig(size=10),
)

# The headline setting of arXiv 2107.13034, one whitened image a class, as it was run there.
CIFAR10_CONVNET_1_KIP = Config(
    data=DataConfig(name="cifar10", whiten="kip_zca"),
    kernel=KernelConfig(network="conv_net", depth=3),
    support=SupportConfig(size=10, learn_labels=True),
)

# The same set for a hundredth of the kernel entries: scripts/README.md says what each part is worth.
CIFAR10_CONVNET_1 = replace(
    CIFAR10_CONVNET_1_KIP,
    data=replace(CIFAR10_CONVNET_1_KIP.data, validation_fraction=0.05),
    support=SupportConfig(size=10, learn_labels=True, refit="cross_entropy", refit_targets=20_000),
    optim=OptimConfig(
        name="gauss_newton",
        steps=200,
        target_batch=480,
        growth=GrowthConfig("linear", first=240),
        gauss_newton=GaussNewtonConfig(memory=5000),
        average=0.3,
    ),
    evaluate=EvaluateConfig(every=25),
    coarse=(
        "16,optim.steps=100,optim.target_batch=240,optim.growth.name=constant,optim.gauss_newton.memory=8000,"
        "optim.gauss_newton.last_damping=0.05,evaluate.every=25",
    ),
)

# Some points less in a quarter of the time: images that two blocks learned at full size serve three as well, once
# labels are fitted to these. No step is taken under all three.
CIFAR10_CONVNET_1_FAST = replace(
    CIFAR10_CONVNET_1,
    support=replace(CIFAR10_CONVNET_1.support, refit_targets=10_000),
    optim=replace(CIFAR10_CONVNET_1.optim, steps=0),
    coarse=(
        "kernel.depth=2,optim.steps=100,optim.target_batch=480,optim.growth.name=constant,"
        "optim.gauss_newton.memory=7200,optim.gauss_newton.last_damping=0.05,optim.schedule.name=cosine,"
        "evaluate.every=25",
    ),
)

# RFAD (arXiv 2210.12067) as its code has it (github.com/yolky/RFAD: run_distillation.py, distillation.py), for supports
# at which random features are cheaper than the exact kernel. Its optimiser of the temperature is AdaBelief, too.
_RFAD = Config(
    data=DataConfig(name="cifar10", whiten="kip_zca", validation_fraction=0.1),
    kernel=KernelConfig(network="conv_net", depth=3, prepend=False, get="nngp"),
    support=SupportConfig(size=500, learn_labels=True),
    loss=LossConfig("cross_entropy", temperature=1.0),
    random_features=RandomFeaturesConfig(networks=8, width=256, judges=16),
    optim=OptimConfig(
        name="adabelief",
        learning_rate=1e-3,
        epsilon=1e-16,
        transform_learning_rate=5e-5,
        steps=100_000,
        target_batch=4 * 1280,
        patience=1000,
    ),
    krr=KrrConfig(ridge=5e-3),
    evaluate=EvaluateConfig(every=40, baseline_draws=1),
)

# Images at half their size, two blocks, second-order steps: minutes on two CPU cores, from the first to the last.
_QUICK = Config(
    data=DataConfig(name="cifar10", whiten="kip_zca", height=16, width=16, resize="box"),
    kernel=KernelConfig(network="conv_net", depth=2),
    support=SupportConfig(size=10, learn_labels=True),
    optim=OptimConfig(
        name="gauss_newton",
        steps=40,
        target_batch=240,
        gauss_newton=GaussNewtonConfig(memory=4000),
        average=0.3,
    ),
    evaluate=EvaluateConfig(every=10, baseline_draws=2),
)


def _quick(name: str) -> Config:
    """The same for a set of grey images of 28x28."""
    return replace(_QUICK, data=DataConfig(name=name, whiten="standard", height=14, width=14, resize="box"))


# Table 1 of arXiv 2107.13034: its data sets, whether it whitened them, and images a class.
_PUBLISHED = {
    "mnist": (DataConfig(name="mnist", whiten="standard"), 10, (1, 10, 50)),
    "fashion": (DataConfig(name="fashion_mnist", whiten="standard"), 10, (1, 10, 50)),
    "svhn": (DataConfig(name="svhn_cropped", whiten="kip_zca"), 10, (1, 10, 50)),
    "cifar10": (DataConfig(name="cifar10", whiten="kip_zca"), 10, (1, 10, 50)),
    "cifar100": (DataConfig(name="cifar100", whiten="kip_zca"), 100, (1, 10)),
}


def _published(data: DataConfig, size: int) -> Config:
    return replace(CIFAR10_CONVNET_1_KIP, data=data, support=SupportConfig(size=size, learn_labels=True))


# Images of a user's own. A tenth of KIP's batch and fewer steps: at 32x32 and ten images an hour on two CPU cores,
# where those take half a day.
OWN_DATA = Config(
    data=DataConfig(name=AUTO, source=AUTO),
    kernel=KernelConfig(network="conv_net", depth=3),
    support=SupportConfig(size=10),
    optim=OptimConfig(steps=200, target_batch=500),
)
# The preset of a command that names none.
OWN = "own"

PRESETS = MappingProxyType(
    {
        "digits": DIGITS,
        "digits-ce": DIGITS_CE,
        "mnist-quick": _quick("mnist"),
        "fashion-quick": _quick("fashion_mnist"),
        "cifar10-quick": _QUICK,
        "cifar10-fc1": CIFAR10_FC1,
        "fashion-convnet-1": FASHION_CONVNET_1,
        "cifar10-convnet-1": CIFAR10_CONVNET_1,
        "cifar10-convnet-1-fast": CIFAR10_CONVNET_1_FAST,
        **{
            f"{name}-convnet-{each}-kip": _published(data, classes * each)
            for name, (data, classes, images) in _PUBLISHED.items()
            for each in images
        },
        "cifar10-rfad-50": _RFAD,
        "cifar100-rfad-50": replace(
            _RFAD,
            data=replace(_RFAD.data, name="cifar100"),
            support=replace(_RFAD.support, size=5000),
        ),
        OWN: OWN_DATA,
    }
)

# One line each for the command line's list.
SUMMARIES = MappingProxyType(
    {
        "digits": "10 images of 8x8 digits, conv_net of depth 2; data included, about a minute on two cores",
        "digits-ce": "the same with cross-entropy, a learned temperature and learned labels; data included",
        "mnist-quick": "10 images of MNIST at 14x14, conv_net of depth 2; minutes on two cores; needs --data.dir",
        "fashion-quick": "the same of Fashion-MNIST",
        "cifar10-quick": "10 images of CIFAR-10 at 16x16 under KIP's ZCA, likewise",
        "cifar10-fc1": "100 images of CIFAR-10, one hidden layer, labels fixed; needs --data.dir",
        "fashion-convnet-1": "10 images of Fashion-MNIST, conv_net of depth 3; needs --data.dir",
        "cifar10-convnet-1": "10 images of CIFAR-10 under KIP's ZCA, conv_net of depth 3; needs --data.dir",
        "cifar10-convnet-1-fast": "some points less in a quarter of the time: learned under two blocks",
        **{
            f"{name}-convnet-{each}-kip": f"{data.name} of KIP's table 1: {classes * each:,} images, 5,000 targets; "
            f"{'days on two cores' if classes * each == 10 else 'for accelerators'}"
            for name, (data, classes, images) in _PUBLISHED.items()
            for each in images
        },
        **{
            f"{name}-rfad-50": f"{size} images of {title} by RFAD's random features; for accelerators"
            for name, title, size in (("cifar10", "CIFAR-10", 500), ("cifar100", "CIFAR-100", "5,000"))
        },
        OWN: "10 images of your own, conv_net of depth 3; needs --data.dir; where no preset is named",
    }
)
