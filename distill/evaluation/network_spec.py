"""Finite networks by name, as data: light enough to check a command line before anything heavy is loaded."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from kerneldistill.config.nearest import offered
from kerneldistill.errors import UserError

Norm = Literal["none", "instance", "batch", "layer"]


class Family(NamedTuple):
    """Networks of one architecture.

    module: of `kerneldistill.evaluation.networks`, which builds them
    width: the usual one
    depth: the usual one
    norms: it can have; the first is the usual one
    halvings: how many times it halves an image, rounding down; None: once a block
    fixed: whether its depth is what it is
    pads: whether it makes 32x32 of 28x28 first
    """

    module: str
    width: int
    depth: int
    norms: tuple[Norm, ...] = ("none",)
    halvings: int | None = None
    fixed: bool = False
    pads: bool = False


# The sizes of the papers: DC's ConvNet and MLP (2006.05929), KIP's (2107.13034), FRePo's (2206.00719), He et al. 2016,
# DC's AlexNet and VGG-11, DeiT-Ti (2012.12877).
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "convnet": Family("convnet", 128, 3, ("none", "instance", "batch", "layer"), pads=True),
        "kip-convnet": Family("kip_convnet", 1024, 3),
        "kip-resnet18": Family("kip_resnet18", 128, 18, halvings=0, fixed=True),
        "kip-vit": Family("kip_vit", 192, 2, halvings=2),
        "frepo-convnet": Family("frepo_convnet", 128, 3, pads=True),
        "mlp": Family("mlp", 128, 2, halvings=0),
        "resnet18": Family("resnet18", 64, 4, ("batch", "instance"), halvings=3, fixed=True),
        "alexnet": Family("alexnet", 128, 5, ("none", "batch", "instance"), halvings=3, fixed=True, pads=True),
        "vgg11": Family("vgg11", 64, 8, ("instance", "batch"), halvings=5, fixed=True, pads=True),
        "vit": Family("vit", 192, 12, halvings=2),
    }
)


@dataclass(frozen=True)
class NetworkSpec:
    """A finite network.

    family: of `FAMILIES`
    norm: the normalisation behind its convolutions
    width: channels of a hidden layer; of the first stage, where later ones have more
    depth: blocks with a pool, hidden layers of an mlp, layers of a vit; others have one depth
    """

    family: str
    norm: Norm
    width: int
    depth: int

    @property
    def name(self) -> str:
        """As on the command line; width and depth are left out where they are the usual ones."""
        usual, parts = FAMILIES[self.family], [self.family]
        if self.norm != usual.norms[0]:
            parts.append(self.norm)
        if self.width != usual.width:
            parts.append(f"w{self.width}")
        if self.depth != usual.depth:
            parts.append(f"d{self.depth}")
        return "-".join(parts)

    @property
    def halvings(self) -> int:
        """How many times the network halves an image, rounding down."""
        fixed = FAMILIES[self.family].halvings
        return self.depth if fixed is None else fixed

    def check_image(self, image_shape: Sequence[int]) -> None:
        """Raise UserError if images of (h, w, c) are too small for the network."""
        padded = FAMILIES[self.family].pads and tuple(image_shape[:2]) == (28, 28)
        smallest = 32 if padded else min(image_shape[0], image_shape[1])
        if smallest >> self.halvings:
            return
        fits = int(math.log2(smallest))
        shallower = FAMILIES[self.family].halvings is None and fits
        remedy = f"name {replace(self, depth=fits).name}" if shallower else "name mlp"
        raise UserError(
            f"--networks has {self.name}, which halves images {self.halvings} times, but they are "
            f"{image_shape[0]}x{image_shape[1]} pixels: {remedy} instead"
        )


_NAME = re.compile(
    f"(?P<family>{'|'.join(FAMILIES)})(-(?P<norm>{'|'.join(get_args(Norm))}))?"
    r"(-w(?P<width>[1-9]\d{0,4}))?(-d(?P<depth>[1-9]\d?))?"
)


NAMES = [NetworkSpec(name, norm, row.width, row.depth).name for name, row in FAMILIES.items() for norm in row.norms]


def what_is_allowed() -> str:
    """Return the names of all networks, in words."""
    return f"{', '.join(NAMES)}, each with -wN for its width and -dN for its depth behind it"


def network_spec(name: str) -> NetworkSpec:
    """Return the network of a name such as `convnet-instance-w32-d2`.

    Raises:
      UserError: there is no such network.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise UserError(f"--networks has {name!r:.80}, {offered(name, NAMES)} (kdistill evaluate --help tells all)")
    usual, norm = FAMILIES[found["family"]], found["norm"]
    named: list[Norm] = [each for each in usual.norms if norm in (None, each)]
    if not named:
        raise UserError(f"--networks has {name!r}, but a {found['family']} has the norms {', '.join(usual.norms)}")
    spec = NetworkSpec(
        found["family"],
        named[0],
        int(found["width"] or usual.width),
        int(found["depth"] or usual.depth),
    )
    if usual.fixed and spec.depth != usual.depth:
        raise UserError(f"--networks has {name!r}, but a {spec.family} has one depth: leave -d{spec.depth} out")
    return spec
