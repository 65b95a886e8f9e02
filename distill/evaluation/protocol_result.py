"""What a support is worth under a named protocol: its seeds, beside random real images and the whole train split.

Its figures are DD-Ranking's (`dd_ranking`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerneldistill.runtime.console import duration
from kerneldistill.runtime.text import mean_percent, percent


@dataclass(frozen=True)
class Sensitivity:
    """Mean norms of the Jacobians of answers by images; see `kerneldistill.evaluation.sensitivity`.

    mean: over the test images that are looked at
    right: over those of them that are classified right; None where none is
    wrong: over the others; None where there are none
    """

    mean: float
    right: float | None
    wrong: float | None


@dataclass(frozen=True)
class SeedScore:
    """One network, trained and tested.

    seed: of its first weights, of its batches and augmentations, and of the draw where the set is random
    accuracy: part of the test images whose largest output is their class, 0..1
    mse: 1/2 mean square over images and classes; None where the outputs are no predictions of centred labels
    learning_rate: it was trained with; None where nothing is trained
    seconds: it took to train and test
    sensitivity: of the trained network on test; None where nothing is trained, or where it did not stay finite
    shifted: accuracy on each shifted test split, 0..1, in the order of `Shifts`; empty where there are none
    """

    seed: int
    accuracy: float
    mse: float | None
    learning_rate: float | None
    seconds: float
    sensitivity: Sensitivity | None = None
    shifted: tuple[float, ...] = ()


@dataclass(frozen=True)
class Trained:
    """What one kind of training set gave.

    scores: one for each seed
    learning_rate: chosen on validation, in the unit of the protocol: absolute, or relative to the largest stable one;
      None where nothing is trained
    weight_decay: chosen on validation; None where nothing is trained
    validation_accuracy: of that choice, by which it was chosen; None where nothing was to choose
    choosing_seconds: the networks took that were trained to choose
    """

    scores: tuple[SeedScore, ...]
    learning_rate: float | None = None
    weight_decay: float | None = None
    validation_accuracy: float | None = None
    choosing_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """All its networks took, in whatever session they were trained."""
        return self.choosing_seconds + sum(score.seconds for score in self.scores)

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Test accuracy of each seed, 0..1."""
        return tuple(score.accuracy for score in self.scores)

    @property
    def mean(self) -> float:
        """Mean of the accuracies."""
        return float(np.mean(self.accuracies))

    @property
    def std(self) -> float:
        """Standard deviation of the accuracies over the seeds."""
        return float(np.std(self.accuracies))


@dataclass(frozen=True)
class WholeTrain:
    """The network trained on the whole train split.

    accuracy: on test, 0..1
    source: where the figure is from
    seconds: it took, where it was measured
    """

    accuracy: float
    source: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Toggled:
    """The same sets with the augmentation left out that a protocol has; where it has none, with DSA's.

    learned: the support
    random_real: random real images
    augmented: whether these are the augmented ones
    """

    learned: Trained
    random_real: Trained
    augmented: bool


@dataclass(frozen=True)
class Shifts:
    """Shifted test splits, and random real sets of growing size that were tested on them, too.

    names: of the shifts
    sizes: images of each of these sets
    ladder: their scores
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    ladder: tuple[SeedScore, ...]


@dataclass(frozen=True)
class ProtocolResult:
    """A support under one protocol with one network.

    protocol: name of the protocol, one of `kerneldistill.evaluation.protocols.PROTOCOLS`
    network: name of the network, or of the kernel
    support_sha256: digest of the support's images and labels: whose result this is
    support_size: images in it
    num_test: test images predicted
    learned: the support as it is
    hard: the support with one-hot labels, the class of each label's largest entry; None where its labels are those
    random_real: random real images of the same number with one-hot labels, another draw for each seed
    whole_train: the same network on the whole train split; None where that is not known
    ior: improvement over random, a difference of mean accuracies
    hlr: hard label recovery; None without `whole_train`
    seconds: all networks took, choosing included, in whatever session they were trained
    toggled: with and without augmentation; None where the protocol does not ask for it
    lrs: label-robust score; None without `hlr`
    ars: augmentation-robust score; None without `toggled`
    shifts: what shifted test splits there are; None where none were asked for
    """

    protocol: str
    network: str
    support_sha256: str
    support_size: int
    num_test: int
    learned: Trained
    hard: Trained | None
    random_real: Trained
    whole_train: WholeTrain | None
    ior: float
    hlr: float | None
    seconds: float
    toggled: Toggled | None = None
    lrs: float | None = None
    ars: float | None = None
    shifts: Shifts | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the networks trained on the support."""
        return tuple(score.seed for score in self.learned.scores)


def set_sha256(images: np.ndarray, labels: np.ndarray) -> str:
    """Digest of a set: images [n, h, w, c], as float32, and labels [n, k], as float64."""
    digest = hashlib.sha256(f"{images.shape}{labels.shape}".encode())
    digest.update(np.ascontiguousarray(images, np.float32).tobytes())
    digest.update(np.ascontiguousarray(labels, np.float64).tobytes())
    return digest.hexdigest()


def merged(older: Sequence[ProtocolResult], newer: Sequence[ProtocolResult]) -> tuple[ProtocolResult, ...]:
    """Merge results; drop older ones that are replaced or of another support."""
    anew = {(result.protocol, result.network) for result in newer}
    current = {result.support_sha256 for result in newer}
    kept = (r for r in older if r.support_sha256 in current and (r.protocol, r.network) not in anew)
    return (*kept, *newer)


def protocol_table(
    results: Sequence[ProtocolResult], dataset: str
) -> tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Title, header and rows for the closing table."""
    title = (
        f"{dataset}: test accuracy of networks fitted to {results[0].support_size} images, mean ± deviation of seeds"
    )
    header = (
        "protocol, network",
        "seeds",
        "the set",
        "random real",
        "whole train",
        "IOR",
        "HLR",
        "LRS",
        "ARS",
        "lr",
        "decay",
        "took",
    )
    return title, header, tuple(_row(result) for result in results)


def _row(result: ProtocolResult) -> tuple[str, ...]:
    return (
        f"{result.protocol}, {result.network}",
        str(len(result.learned.scores)),
        _spread(result.learned),
        _spread(result.random_real),
        "-" if result.whole_train is None else percent(result.whole_train.accuracy),
        f"{100 * result.ior:+.1f}",
        "-" if result.hlr is None else f"{100 * result.hlr:+.1f}",
        "-" if result.lrs is None else f"{100 * result.lrs:.1f}",
        "-" if result.ars is None else f"{100 * result.ars:.1f}",
        _number(result.learned.learning_rate),
        _number(result.learned.weight_decay),
        duration(result.seconds),
    )


def _spread(trained: Trained) -> str:
    return mean_percent([score.accuracy for score in trained.scores])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
