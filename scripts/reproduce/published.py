"""What papers report, by how the set was made, the data set and the number of images; test accuracy in per cent.

LABEL_SOLVE and KIP: Nguyen et al. 2021 (2107.13034), table 1, ConvNet NTK; where two figures stand, the first is of the
paper as submitted and the second of its third version, both with learned labels and augmented targets. KIP_NETWORK:
table 2 there, a ConvNet of width 1024 trained on the set. CIFAR-10 is lossless there.
"""

from types import MappingProxyType

LABEL_SOLVE = MappingProxyType(
    {
        ("mnist", 10): "73.4",
        ("mnist", 100): "96.4",
        ("mnist", 500): "98.3",
        ("fashion_mnist", 10): "65.3",
        ("fashion_mnist", 100): "80.8",
        ("fashion_mnist", 500): "86.9",
        ("cifar10", 10): "26.1",
        ("cifar10", 100): "53.6",
        ("cifar10", 500): "65.9",
        ("cifar100", 100): "23.8",
    }
)

KIP = MappingProxyType(
    {
        ("mnist", 10): "96.5 / 97.3",
        ("mnist", 100): "99.1",
        ("fashion_mnist", 10): "76.7 / 82.9",
        ("fashion_mnist", 100): "88.8 / 91.0",
        ("cifar10", 10): "63.4 / 64.7",
        ("cifar10", 100): "75.5 / 75.6",
        ("cifar100", 100): "33.3 / 34.9",
    }
)

# The public notebook of the same authors: one hidden layer, labels fixed, 300 steps.
KIP_FC = MappingProxyType({("cifar10", 100): "46.7"})

KIP_NETWORK = MappingProxyType(
    {
        ("mnist", 10): "90.1",
        ("mnist", 100): "97.5",
        ("fashion_mnist", 10): "73.5",
        ("fashion_mnist", 100): "86.8",
        ("cifar10", 10): "49.9",
        ("cifar10", 100): "62.7",
        ("cifar100", 100): "15.7",
    }
)

# Networks trained on sets that others released, of CIFAR-10: RFAD's author in issue 2 of yolky/RFAD; RCIG in table 1 of
# 2408.03360.
PEER_NETWORK = MappingProxyType({("RFAD", 10): "53.6", ("RCIG", 10): "53.9"})
