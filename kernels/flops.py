"""Floating-point operations of a kernel entry, counted from the levels and layers of a network; nothing is compiled.

Counted are additions, multiplications, divisions, roots and the like, one each; not comparisons, selections and moves.
Per pixel pair of a band, for the NNGP and, where it is there, the NTK (each layer counts its own):
    entering    2 C                     sum over C channels of products, divided by C
    Conv 3x3    6, then 6 for the NTK   separable box sum 2 + 2 (4 + 4 where a seam is masked), and on each pair of
                                        outputs scale, bias or own
    Activation  counted by tracing its dual on scalars, which is exact for any function
    AvgPool 2   4 per value and axis that is left; of size k 2k - 2 on those in between, see `windows`
    head        1
In reverse a box sum is its own adjoint, and an activation costs what tracing its pullback says. A plane's forward pass
is repeated there (`kerneldistill.kernels.resolution.base`).
"""

from typing import NamedTuple

from kerneldistill.kernels.layers.layer import Shape, count_passes
from kerneldistill.kernels.levels import Level, levels
from kerneldistill.kernels.names import KernelKind
from kerneldistill.kernels.network import Network
from kerneldistill.kernels.passes import Passes, Place


class Flops(NamedTuple):
    """Operations of one kernel entry.

    forward: of its value, `ExactEngine.k_ts`
    pullback: of the gradient of a weighted entry by its support image, `ExactEngine.pullback` with what `k_ts_saving`
      kept
    """

    forward: int
    pullback: int

    @property
    def step(self) -> int:
        """Of an outer step, which takes both."""
        return self.forward + self.pullback


def entry_flops(network: Network, image_shape: Shape, kind: KernelKind) -> Flops:
    """Count the operations of one kernel entry of images `image_shape` (h, w, c).

    Raises:
      ValueError: the images cannot pass the network's pools.
    """
    network, with_ntk = network.sized(image_shape), kind == "ntk"
    height, width, channels = image_shape
    if network.fully_connected:
        # A product of whole images, and for the gradient one more.
        products = 2 * height * width * channels
        found = Passes(products, products, False)
    else:
        found = Passes(0, 0, False)
        for i, level in enumerate(levels(network, height, width)):
            found = level_passes(found, level, with_ntk, channels if i == 0 else 0)
    found = count_passes(network.tail, found, with_ntk, lambda _: Place(1, 0))
    return Flops(found.forward, found.forward + found.reverse)


def level_passes(before: Passes, level: Level, with_ntk: bool, channels: int) -> Passes:
    """Add one resolution; `channels` of the images at the first, 0 at the others."""
    places = level.places
    entering = Passes(2 * channels, 2 * channels + 1 if channels else 0, before.tangent)

    def place(path: str) -> Place:
        own = places[path]
        return Place(own.points, 8 if own.wraps else 4, own.height, own.width)

    found = count_passes(level.layers, before.and_then(entering, level.offsets.points), with_ntk, place)
    return level.end.end_passes(found, level.joint)
