"""A network as data: a frozen tuple of layers, checked when made.

A network is images -> convolutional layers -> one head (Flatten or GlobalAvgPool) -> dense layers -> one output. A
fully connected network starts with Flatten.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kerneldistill.kernels.layers import AvgPool, Dense, Flatten
from kerneldistill.kernels.layers.layer import (
    End,
    Inputs,
    Layer,
    Shape,
    fan_ins,
    leaves,
    named,
    shape_after,
    weight_shapes,
)
from kerneldistill.kernels.layers.per_image import PerImage
from kerneldistill.kernels.layers.weighted import Weighted
from kerneldistill.kernels.names import Parameterization


@dataclass(frozen=True)
class Network:
    """An infinitely wide network.

    layers: in order of application.
    parameterization: "ntk" (Jacot et al. 2018), or "standard": the improved one of Sohl-Dickstein et al. 2020
      (2001.07301), whose tangent kernel weighs each layer by its fan-in.
    width: of the hidden layers, for "standard" alone: the N of the network whose wide limit is meant.

    Raises:
      ValueError: for a layer in an impossible place, or one whose kernel would be another.
    """

    layers: tuple[Layer, ...]
    parameterization: Parameterization = "ntk"
    width: int | None = None

    def __post_init__(self) -> None:
        _check_places(self.layers)
        inputs: Inputs = "images"
        for layer in self.layers:
            inputs = layer.check(inputs)
        if self.parameterization not in ("ntk", "standard"):
            raise ValueError(f"unknown parameterization {self.parameterization!r}: it is 'ntk' or 'standard'")
        if self.parameterization == "ntk" and self.width is not None:
            raise ValueError(f"width {self.width} has no meaning in the NTK parameterisation: leave it out")
        if self.parameterization == "standard" and (self.width is None or self.width < 1):
            raise ValueError(f"the standard parameterisation needs a width >= 1; got {self.width}")

    @property
    def head(self) -> int:
        """Index of the head in `layers`."""
        return _heads(self.layers)[0]

    @property
    def named(self) -> dict[str, Layer]:
        """The layers by path; see `kerneldistill.kernels.layers.layer`."""
        return named(self.layers)

    @property
    def tail(self) -> dict[str, Layer]:
        """The layers after the head."""
        return dict(list(self.named.items())[self.head + 1 :])

    @property
    def activations(self) -> dict[str, PerImage]:
        """All activations, normalisations and attentions: what needs the standard deviations of its inputs, or more."""
        return activations(self.named)

    @property
    def weighted(self) -> dict[str, Weighted]:
        """All layers with weights."""
        return {path: leaf for path, leaf in leaves(self.named).items() if isinstance(leaf, Weighted)}

    @property
    def readout(self) -> Dense:
        """The last layer.

        Raises:
          ValueError: it is no Dense.
        """
        last = self.layers[-1]
        if not isinstance(last, Dense):
            raise ValueError(f"a finite network ends with a Dense; this one with {last}")
        return last

    @property
    def fully_connected(self) -> bool:
        """Whether pixels meet only their equals from the start: products of whole images, no bands."""
        return isinstance(self.layers[0], Flatten)

    def standard(self, width: int) -> "Network":
        """The same network in the standard parameterisation, with hidden layers of `width`."""
        return replace(self, parameterization="standard", width=width)

    def check_images(self, shape: Sequence[int]) -> None:
        """Raise ValueError where images of `shape` (h, w, c) cannot pass the layers up to the head."""
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"images must be [n, height, width, channels]; got images of shape {tuple(shape)}")
        pools = sum(isinstance(layer, AvgPool) and layer.halves for layer in self.layers)
        if min(shape[:2]) < 2**pools:
            raise ValueError(
                f"images of {shape[0]} x {shape[1]} are too small for {pools} poolings of 2 x 2: "
                f"at least {2**pools} x {2**pools} is needed; use fewer blocks"
            )
        height, width, channels = shape
        shape_after(self.layers[: self.head], (height, width, channels), 1)

    def fan_ins(self, image_shape: Shape, width: int) -> dict[str, int]:
        """Inputs of each output of every layer with weights, where hidden layers have `width` channels."""
        return fan_ins(self.named, image_shape, width)

    def weight_shapes(self, image_shape: Shape, width: int) -> dict[str, tuple[int, ...]]:
        """The shapes of W of every layer with weights, likewise."""
        return weight_shapes(self.named, image_shape, width)

    def sized(self, image_shape: Shape) -> "Network":
        """The network whose layers know their fan-in, where the standard parameterisation needs it.

        Raises:
          ValueError: images of this shape (h, w, c) cannot pass the layers.
        """
        self.check_images(image_shape)
        if self.width is None:
            return self
        found = self.fan_ins(image_shape, self.width)
        return replace(self, layers=tuple(layer.with_fan_ins(found, path) for path, layer in self.named.items()))


def activations(layers: dict[str, Layer]) -> dict[str, PerImage]:
    """Those among the leaves of some layers that need something of each image."""
    return {path: leaf for path, leaf in leaves(layers).items() if isinstance(leaf, PerImage) and leaf.needs_images}


def _heads(layers: Sequence[Layer]) -> list[int]:
    return [i for i, layer in enumerate(layers) if isinstance(layer, End) and layer.is_head]


def _check_places(layers: Sequence[Layer]) -> None:
    heads = _heads(layers)
    if len(heads) != 1:
        raise ValueError(f"a network has exactly one head (Flatten or GlobalAvgPool); this one has {len(heads)}")
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise ValueError(f"layer {i} is {layer!r}: layers are those of kerneldistill.kernels.layers")
        side = "before" if i < heads[0] else "after"
        if i != heads[0] and not (layer.before_head if side == "before" else layer.after_head):
            raise ValueError(f"layer {i}, {layer}, cannot stand {side} the head, {layers[heads[0]]}")
