"""Finite networks by name, as data: light enough to check a command line before anything heavy is loaded."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from kerneldistill.errors import UserError

Family = Literal["convnet", "kip-convnet", "frepo-convnet", "mlp", "resnet18"]
Norm = Literal["none", "instance", "batch", "layer"]


@dataclass(frozen=True)
class NetworkSpec:
    """A finite network.

    family: the architecture; see `kerneldistill.evaluation.networks`
    norm: the normalisation behind its convolutions
    width: channels of a hidden layer; of the first stage, where later ones have more
    depth: blocks with a pool, or hidden layers of an mlp; a resnet18 has four stages
    """

    family: Family
    norm: Norm
    width: int
    depth: int

    @property
    def name(self) -> str:
        """As on the command line; width and depth are left out where they are the usual ones."""
        usual, parts = USUAL[self.family], [self.family]
        if self.norm != usual.norm:
            parts.append(self.norm)
        if self.width != usual.width:
            parts.append(f"w{self.width}")
        if self.depth != usual.depth:
            parts.append(f"d{self.depth}")
        return "-".join(parts)

    @property
    def halvings(self) -> int:
        """How many times an image is halved, rounding down."""
        return {"mlp": 0, "resnet18": 3}.get(self.family, self.depth)

    def check_image(self, image_shape: Sequence[int]) -> None:
        """Raises UserError where images of (h, w, c) are too small for the network."""
        smallest = min(image_shape[0], image_shape[1])
        if smallest >> self.halvings:
            return
        fits = int(math.log2(smallest))
        remedy = f"name {replace(self, depth=fits).name}" if self.family != "resnet18" and fits else "name mlp"
        raise UserError(
            f"--networks has {self.name}, which halves images {self.halvings} times, but they are "
            f"{image_shape[0]}x{image_shape[1]} pixels: {remedy} instead"
        )


# The sizes of the papers: DC's ConvNet and MLP (2006.05929), KIP's (2107.13034), FRePo's (2206.00719), He et al. 2016.
USUAL = MappingProxyType(
    {
        "convnet": NetworkSpec("convnet", "none", 128, 3),
        "kip-convnet": NetworkSpec("kip-convnet", "none", 1024, 3),
        "frepo-convnet": NetworkSpec("frepo-convnet", "none", 128, 3),
        "mlp": NetworkSpec("mlp", "none", 128, 2),
        "resnet18": NetworkSpec("resnet18", "batch", 64, 4),
    }
)
NORMS = MappingProxyType(
    {
        "convnet": ("none", "instance", "batch", "layer"),
        "kip-convnet": ("none",),
        "frepo-convnet": ("none",),
        "mlp": ("none",),
        "resnet18": ("batch", "instance"),
    }
)
_NAME = re.compile(
    r"(?P<family>convnet|kip-convnet|frepo-convnet|mlp|resnet18)"
    r"(-(?P<norm>none|instance|batch|layer))?(-w(?P<width>[1-9]\d{0,4}))?(-d(?P<depth>[1-9]))?"
)
ALLOWED = (
    "convnet, convnet-instance, convnet-batch, convnet-layer, kip-convnet, frepo-convnet, mlp, resnet18, "
    "resnet18-instance, each with -wN for its width and -dN for its depth behind it"
)


def network_spec(name: str) -> NetworkSpec:
    """The network of a name such as `convnet-instance-w32-d2`.

    Raises:
      UserError: there is no such network.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise UserError(f"--networks has {name!r}, allowed are: {ALLOWED}")
    usual = USUAL[found["family"]]
    spec = NetworkSpec(
        usual.family,
        found["norm"] or usual.norm,
        int(found["width"] or usual.width),
        int(found["depth"] or usual.depth),
    )
    if spec.norm not in NORMS[spec.family]:
        raise UserError(f"--networks has {name!r}, but a {spec.family} has the norms {', '.join(NORMS[spec.family])}")
    if spec.family == "resnet18" and spec.depth != usual.depth:
        raise UserError(f"--networks has {name!r}, but a resnet18 has its four stages: leave -d{spec.depth} out")
    return spec
