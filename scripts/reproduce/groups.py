"""Records that differ in their seed alone are one row of a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kerneldistill.algorithms.support import LabelMode
from kerneldistill.config.kernel_names import start_name
from kerneldistill.config.schema import DataConfig
from kerneldistill.runs.planning.precedent import Precedent, same_numbers
from scripts.reproduce.record import Record

TITLES = {
    "digits": "digits",
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10 (JPEG q75)",
    "fashion_mnist_q75": "Fashion-MNIST, JPEG q75",
    "fashion_mnist_q25": "Fashion-MNIST, JPEG q25",
    "cifar10_q50": "CIFAR-10, JPEG q75, then q50",
    "cifar10_q25": "CIFAR-10, JPEG q75, then q25",
    "cifar100": "CIFAR-100",
    "photographs": "two photographs",
}
MADE: Mapping[LabelMode, str] = {
    "label_solve": "Label Solve",
    "fixed": "labels fixed",
    "learned": "labels learned",
}

# Records that differ in their seed alone.
Group = Sequence[Record]


def groups_of(folder: Path) -> list[Group]:
    """All records below a folder, those of one row together."""
    groups: list[list[Record]] = []
    for record in map(Record.load, sorted(folder.glob("*/*.json"), key=lambda file: (file.parent, file.stem))):
        found = next((group for group in groups if _one_row(group[0], record)), None)
        if found is None:
            groups.append([record])
        else:
            found.append(record)
    return sorted(groups, key=_place)


def name_of(record: Record | Precedent) -> str:
    """The data set's name, without its version."""
    return record.dataset.split()[0]


def title_of(record: Record | Precedent) -> str:
    """What the data are called, with what sets them apart from the published ones."""
    return TITLES[name_of(record)]


def sized_title(record: Record | Precedent, data: DataConfig) -> str:
    """The same, with the size of the images where that is not their own."""
    size = f" at {data.height}x{data.width}" if data.height else ""
    return f"{title_of(record)}{size}"


def is_trial(record: Record) -> bool:
    """Whether a set is no row of a paper's table: fewer blocks than its three, to change one thing at a time."""
    kernel = record.settings.kernel
    return (kernel.network, kernel.depth) == ("conv_net", 2) and name_of(record) != "digits"


def random_real(record: Record, groups: Sequence[Group]) -> list[float]:
    """Accuracies, 0..1, of random real images under the same kernel, whichever rows have them: each draw once.

    The real images that a row began as are a draw, too.
    """
    draws: dict[tuple[int, int | str], float] = {}
    judge = _judge(record)
    for other in (other for group in groups for other in group if _judge(other) == judge):
        seed = other.settings.seed
        if other.start is not None and start_name(other.settings) == "real images":
            draws[seed, "start"] = other.start.accuracy
        draws |= {(seed, draw): measured.accuracy for draw, measured in enumerate(other.random_real)}
    return [*draws.values()]


def _judge(record: Record) -> tuple[object, ...]:
    """What the score of random real images depends on, but for their draw."""
    config = record.settings
    return record.data_fingerprint, record.support_size, config.kernel, config.krr.ridge, config.support.flip


def _one_row(one: Record, other: Record) -> bool:
    for name in ("maker", "label_mode", "data_fingerprint"):
        if getattr(one, name) != getattr(other, name):
            return False
    return same_numbers(one.settings, other.settings)


def _place(group: Group) -> tuple[int, int, int, str]:
    record, names = group[0], list(TITLES)
    return names.index(name_of(record)), record.support_size, list(MADE).index(record.label_mode), record.command
