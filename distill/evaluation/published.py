"""Test accuracies of networks trained on whole train splits, as published: what a distilled set tries to reach."""

from types import MappingProxyType

from kerneldistill.evaluation.network_spec import FAMILIES, NetworkSpec
from kerneldistill.evaluation.protocol_result import WholeTrain

_DC = "Zhao et al. 2020 (2006.05929), table 1, whole dataset"
_PAD = "Li et al. 2024 (2408.03360), table 1, full dataset"

# Of DC's ConvNet with three blocks of 128 channels and instance norm, on plain standardised pixels.
_CONVNET_INSTANCE = MappingProxyType(
    {
        "cifar10": WholeTrain(0.848, _DC),
        "cifar100": WholeTrain(0.562, _PAD),
    }
)


def published_whole_train(dataset: str, spec: NetworkSpec) -> WholeTrain | None:
    """Return the published figure of a network on a data set by its TFDS name; None where none is known."""
    usual = FAMILIES["convnet"]
    if (spec.family, spec.norm, spec.width, spec.depth) == ("convnet", "instance", usual.width, usual.depth):
        return _CONVNET_INSTANCE.get(dataset)
    return None
