"""What papers report, by the data set and the number of images; test accuracy in per cent.

LABEL_SOLVE and KIP: Nguyen et al. 2021 (2107.13034), table 1, ConvNet NTK; where two figures stand, the first is of the
paper as submitted and the second of its third version, both with learned labels and augmented targets. KIP_NETWORK:
table 2 there, a ConvNet of width 1024 trained on the set. CIFAR-10 is lossless there.
"""

from collections.abc import Mapping
from types import MappingProxyType

from scripts.reproduce.groups import is_trial, name_of
from scripts.reproduce.record import Record

# By data set and number of images.
Figures = Mapping[tuple[str, int], tuple[float, ...]]

LABEL_SOLVE: Figures = MappingProxyType(
    {
        ("mnist", 10): (73.4,),
        ("mnist", 100): (96.4,),
        ("mnist", 500): (98.3,),
        ("fashion_mnist", 10): (65.3,),
        ("fashion_mnist", 100): (80.8,),
        ("fashion_mnist", 500): (86.9,),
        ("cifar10", 10): (26.1,),
        ("cifar10", 100): (53.6,),
        ("cifar10", 500): (65.9,),
        ("cifar100", 100): (23.8,),
    }
)

KIP: Figures = MappingProxyType(
    {
        ("mnist", 10): (96.5, 97.3),
        ("mnist", 100): (99.1,),
        ("fashion_mnist", 10): (76.7, 82.9),
        ("fashion_mnist", 100): (88.8, 91.0),
        ("cifar10", 10): (63.4, 64.7),
        ("cifar10", 100): (75.5, 75.6),
        ("cifar100", 100): (33.3, 34.9),
    }
)

# The public notebook of the same authors: one hidden layer, labels fixed, 300 steps.
KIP_FC: Figures = MappingProxyType({("cifar10", 100): (46.7,)})

KIP_NETWORK: Figures = MappingProxyType(
    {
        ("mnist", 10): (90.1,),
        ("mnist", 100): (97.5,),
        ("fashion_mnist", 10): (73.5,),
        ("fashion_mnist", 100): (86.8,),
        ("cifar10", 10): (49.9,),
        ("cifar10", 100): (62.7,),
        ("cifar100", 100): (15.7,),
    }
)

# Networks trained on sets that others released, of CIFAR-10: RFAD's author in issue 2 of yolky/RFAD; RCIG in table 1 of
# 2408.03360.
PEER_NETWORK: Figures = MappingProxyType({("RFAD", 10): (53.6,), ("RCIG", 10): (53.9,)})


def published(record: Record) -> tuple[float, ...]:
    """What the paper reports for kernel ridge regression from such a set; empty where it has none."""
    if is_trial(record) or record.settings.data.height or record.maker:
        return ()
    if record.settings.kernel.network == "fc":
        return _find(KIP_FC, record)
    return _find(LABEL_SOLVE if record.label_mode == "label_solve" else KIP, record)


def published_network(record: Record) -> tuple[float, ...]:
    """What is reported for networks trained on such a set; empty where nothing is."""
    if is_trial(record) or record.settings.data.height:
        return ()
    if record.maker:
        return PEER_NETWORK.get((record.maker, record.support_size), ())
    return _find(KIP_NETWORK, record)


def _find(figures: Figures, record: Record) -> tuple[float, ...]:
    return figures.get((name_of(record), record.support_size), ())
