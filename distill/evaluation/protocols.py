"""Protocols: how a distilled set is judged, each a preset of numbers with its source.

Learning rate and weight decay are chosen on the validation split from each protocol's small grid, whose first values
are the source's own; the test split is read once, by networks of that choice.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, NamedTuple

from kerneldistill.errors import UserError
from kerneldistill.evaluation.augmentation import Augmentation
from kerneldistill.evaluation.network_spec import NetworkSpec

# mse: 1/2 mean square against centred labels. cross_entropy: of the class of a label's largest entry.
# soft_cross_entropy: against softmax(label), as FRePo's.
LossName = Literal["mse", "cross_entropy", "soft_cross_entropy"]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    loss: what its outputs cost
    optimiser: momentum (0.9), or adam (0.9, 0.999)
    schedule: of the learning rate: cosine to 0; half: a tenth of it from the second epoch behind the middle on, with
      the optimiser begun anew; step: a tenth from the middle on; warm_cosine: up from 0 during `warmup` steps, but at
      most half of all, then a cosine to a hundredth
    batch: images of a step; all of them where there are no more
    epochs: passes through the set, or 0
    steps: (size of the set, steps) ascending, used where epochs is 0: the steps of the first size that is not smaller
    warmup: steps
    augmentation: what is done to the images of each step
    relative: whether learning rates are parts of the largest stable one, 2 n k / largest eigenvalue of the empirical
      NTK of n images (`kerneldistill.evaluation.learning_rate`)
    """

    loss: LossName
    optimiser: Literal["momentum", "adam"]
    schedule: Literal["cosine", "half", "step", "warm_cosine"]
    batch: int
    epochs: int = 0
    steps: tuple[tuple[int, int], ...] = ()
    warmup: int = 0
    augmentation: Augmentation | None = None
    relative: bool = False

    def num_steps(self, size: int) -> int:
        """Return the number of steps on a set of `size` images."""
        if self.epochs:
            return self.epochs * -(-size // self.batch)
        return next((steps for most, steps in self.steps if size <= most), self.steps[-1][1])

    def full_steps(self, size: int) -> int:
        """Return the number of steps before `half` lowers the learning rate."""
        total = self.num_steps(size)
        return (self.epochs // 2 + 2) * (total // self.epochs) if self.epochs else total // 2


class Special(NamedTuple):
    """Where a source does otherwise.

    augmentation: of these
    datasets: for which; empty: for all
    batch_norm: only for its ConvNet with batch normalisation
    epochs: 0: as usual
    """

    augmentation: Augmentation
    datasets: tuple[str, ...] = ()
    batch_norm: bool = False
    epochs: int = 0

    def meets(self, dataset: str, spec: NetworkSpec) -> bool:
        """Whether a judge is one of these."""
        named = not self.datasets or dataset in self.datasets
        return named and (not self.batch_norm or (spec.family, spec.norm) == ("convnet", "batch"))


@dataclass(frozen=True)
class Protocol:
    """A named way to judge a set with finite networks.

    name: on the command line and in results
    source: where its numbers are from
    recipe: how a network is trained
    network: name of the network where none is asked for
    learning_rates: the grid; the source's own first
    weight_decays: the grid; the source's own first
    specials: where the source does otherwise; a later one wins
    toggles: whether sets are also judged with the augmentation left out, or where there is none with DSA's
    """

    name: str
    source: str
    recipe: Recipe
    network: str
    learning_rates: tuple[float, ...]
    weight_decays: tuple[float, ...]
    specials: tuple[Special, ...] = ()
    toggles: bool = False

    def on(self, dataset: str, spec: NetworkSpec) -> "Protocol":
        """Return the protocol as its source applies it to a data set and a network."""
        recipe = self.recipe
        for special in self.specials:
            if special.meets(dataset, spec):
                epochs = special.epochs or recipe.epochs
                recipe = replace(recipe, augmentation=special.augmentation, epochs=epochs)
        return replace(self, recipe=recipe, specials=())

    def toggled(self) -> "Protocol":
        """Return the protocol without its augmentation, or where it has none with DSA's."""
        other = replace(self.recipe, augmentation=_DSA if self.recipe.augmentation is None else None)
        return replace(self, recipe=other)


# Data sets of digits. The sources name the first two; scikit-learn's are like them.
_DIGITS = ("mnist", "svhn_cropped", "digits")

KIP = Protocol(
    name="kip",
    source="Nguyen et al. 2021 (2107.13034), google-research/kip nn_training.ipynb",
    recipe=Recipe("mse", "momentum", "cosine", batch=100, steps=((1, 5000),), relative=True),
    network="kip-convnet",
    learning_rates=(1.0, 0.25),
    weight_decays=(1e-3, 1e-5),
)
DC = Protocol(
    name="dc",
    source="Zhao et al. 2020 (2006.05929), VICO-UoE/DatasetCondensation utils.py evaluate_synset, get_daparam",
    # Its loop takes one epoch more than it names (utils.py 342 to 355), with augmentation 1,000 (main.py 122 to 125).
    recipe=Recipe("cross_entropy", "momentum", "half", batch=256, epochs=301),
    network="convnet-instance",
    learning_rates=(0.01, 0.1, 0.001),
    weight_decays=(5e-4, 0.0),
    specials=(
        Special(Augmentation("dc", ("crop", "scale", "rotate")), ("mnist",), epochs=1001),
        Special(Augmentation("dc", ("crop", "noise")), batch_norm=True, epochs=1001),
    ),
)
_DSA = Augmentation("dsa", ("color", "crop", "cutout", "flip", "scale", "rotate"))
DSA = replace(
    DC,
    name="dsa",
    source="Zhao & Bilen 2021 (2102.08259), VICO-UoE/DatasetCondensation DiffAugment in its mode S",
    recipe=replace(DC.recipe, epochs=1001, augmentation=_DSA),
    # readme.md 113: no mirror images of digits.
    specials=(Special(_DSA.without("flip"), _DIGITS),),
)
_RAND = Augmentation("rand", _DSA.names, number=2)
RAND = replace(
    DSA,
    name="rand",
    source=f"{DSA.source}; RandAugment (1909.13719), two of the changes for each image, at DSA's strengths",
    recipe=replace(DSA.recipe, augmentation=_RAND),
    specials=(Special(_RAND.without("flip"), _DIGITS),),
)
DD_RANKING = Protocol(
    name="dd-ranking",
    source="Li et al. 2025 (2505.13300), NUS-HPC-AI-Lab/DD-Ranking configs/Demo_LRS_Hard_Label.yaml",
    recipe=Recipe("cross_entropy", "momentum", "step", batch=128, epochs=1000, augmentation=_DSA),
    network="convnet-instance",
    # The grid of hard_label.py's search; a set that comes with a rate is trained by that, mostly 0.01.
    learning_rates=(0.01, 0.001, 0.005, 0.05, 0.1),
    weight_decays=(5e-4,),
    specials=DSA.specials,
    toggles=True,
)
_FREPO = Augmentation("frepo", ("flip", "color", "crop", "rotate", "translate", "cutout"))
FREPO = Protocol(
    name="frepo",
    source="Zhou et al. 2022 (2206.00719), yongchao97/FRePo script/eval.py",
    recipe=Recipe(
        "mse",
        "adam",
        "warm_cosine",
        batch=500,
        # Of 200, one for each class of Tiny ImageNet, there are four times as many as of 500.
        steps=((10, 1000), (100, 2000), (200, 20_000), (500, 5000), (1000, 10_000), (5000, 40_000)),
        warmup=500,
        augmentation=_FREPO,
    ),
    network="frepo-convnet",
    learning_rates=(3e-4, 3e-3),
    # The 3e-4 that it is given does nothing: its adam has no decay (lib/training/utils.py 299 and 300).
    weight_decays=(0.0,),
    specials=(Special(_FREPO.without("flip"), ("mnist", "fashion_mnist", "digits")),),
)


def _quick(protocol: Protocol, network: str, epochs: int = 0, steps: int = 0) -> Protocol:
    """Return the same with a narrower network, fewer steps and two points of the grid: minutes on two cores."""
    steps_of = ((1, steps),) if steps else ()
    return replace(
        protocol,
        name=f"{protocol.name}-quick",
        source=f"{protocol.name} of kerneldistill, with a narrower network and fewer steps",
        recipe=replace(protocol.recipe, epochs=epochs, steps=steps_of, warmup=min(protocol.recipe.warmup, steps // 4)),
        network=network,
        learning_rates=protocol.learning_rates[:2],
        weight_decays=protocol.weight_decays[:1],
        specials=tuple(special._replace(epochs=0) for special in protocol.specials),
    )


PROTOCOLS = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            KIP,
            DC,
            replace(
                DC,
                name="dc-soft",
                source=f"{DC.source}; soft labels as FRePo's softxent",
                recipe=replace(DC.recipe, loss="soft_cross_entropy"),
            ),
            DSA,
            RAND,
            FREPO,
            DD_RANKING,
            replace(
                DD_RANKING,
                name="dd-ranking-soft",
                source=f"{DD_RANKING.source}; soft labels by soft cross-entropy (sce)",
                recipe=replace(DD_RANKING.recipe, loss="soft_cross_entropy"),
            ),
            _quick(KIP, "kip-convnet-w128", steps=500),
            _quick(DC, "convnet-instance-w32", epochs=300),
            _quick(DSA, "convnet-instance-w32", epochs=300),
            _quick(FREPO, "frepo-convnet-w32", steps=500),
            _quick(DD_RANKING, "convnet-instance-w32", epochs=300),
        )
    }
)

# The protocol that trains nothing: kernel ridge regression (2107.13034, eq. 1) with any kernel.
KRR = "krr"
# The same with the NTK of a finite network at its first weights (1902.06720).
LINEAR = "linear"
NAMES = (KRR, LINEAR, *PROTOCOLS)
# The networks of `linear` where none is asked for.
_LINEAR_NETWORK = "convnet-instance"


def network_of(protocol: str) -> str:
    """Return the name of the network by which a protocol judges where none is asked for."""
    return _LINEAR_NETWORK if protocol == LINEAR else PROTOCOLS[protocol].network


def check_protocol(name: str) -> None:
    """Raise UserError unless there is a protocol of that name."""
    if name not in NAMES:
        raise UserError(f"--protocol has {name!r}, allowed are: {', '.join(NAMES)}")
