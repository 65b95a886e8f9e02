"""The memory of a run at its peak, part by part: integers and three measured constants.

Three moments can be the peak: when the data are prepared, if they are not yet; when the standard deviations of all
images are computed, chunk by chunk; and in a step, after its last pullback was compiled. On CPU the devices share the
host's memory, and all parts add up; elsewhere the host's part and each device's are apart. Not counted: images that are
mapped from disk, which the system drops when it must.
"""

from dataclasses import dataclass
from math import prod

from kerneldistill.kernels.layers import activations
from kerneldistill.kernels.tile_memory import Tiles, deviations, tiles
from kerneldistill.pipeline.prepared import MAX_BYTES_IN_MEMORY
from kerneldistill.runs.planning.workload import Shape

# Python with jax, scipy, orbax and this program, its backend started: resident bytes on Linux.
PROCESS = 232_000_000
# Beam and TFDS, which stay when the data are prepared.
PREPARATION = 225_000_000
# What compilers leave behind and hold while they work: XLA's for the first program, and for each of the others that
# walk a band, per activation.
COMPILER = 150_000_000
COMPILER_PER_ACTIVATION = 10_000_000


@dataclass(frozen=True)
class Part:
    """What takes memory at the peak.

    name: for a person
    host: bytes of the process
    device: bytes of each device
    """

    name: str
    host: int = 0
    device: int = 0


@dataclass(frozen=True)
class Memory:
    """The peak.

    parts: in the order of the process's life
    shared: whether devices have no memory of their own
    devices: how many
    """

    parts: tuple[Part, ...]
    shared: bool
    devices: int

    @property
    def host(self) -> int:
        """Bytes of the process, with its devices' where they share its memory."""
        return sum(part.host + (self.devices * part.device if self.shared else 0) for part in self.parts)

    @property
    def device(self) -> int:
        """Bytes of each device."""
        return sum(part.device for part in self.parts)

    @property
    def limited(self) -> int:
        """The bytes that a `Machine.memory` limits: a device's, or where they share it the process's."""
        return self.host if self.shared else self.device


def memory_of(shape: Shape) -> Memory:
    """The memory of a run at its peak."""
    shared = shape.engine.devices[0].platform == "cpu"
    process, later = _process(shape), _lasting(shape)
    alternatives = [(*later, *_deviating(shape)), (*later, *_stepping(shape))]
    if not shape.size.prepared:
        alternatives.append(_preparing(shape))
    moments = [Memory((*process, *parts), shared, len(shape.engine.devices)) for parts in alternatives]
    return max(moments, key=lambda memory: (memory.limited, memory.host))


def _bytes_of_image(shape: Shape) -> int:
    return prod(shape.size.image_shape) * shape.engine.dtype.itemsize


def _bytes_of_features(shape: Shape) -> int:
    own = deviations(shape.engine.network, shape.size.image_shape)
    return _bytes_of_image(shape) + own * shape.engine.dtype.itemsize


def _process(shape: Shape) -> tuple[Part, ...]:
    """What is there from the start to the end."""
    loaded = () if shape.size.prepared else (Part("libraries of the preparation", PREPARATION),)
    return (Part("process", PROCESS), *loaded)


def _preparing(shape: Shape) -> tuple[Part, ...]:
    """While the data are prepared: batches, and of a ZCA the covariance with what is made of it."""
    config, (height, width, channels) = shape.config.data, shape.size.image_shape
    whole = height * width * channels
    features = channels * config.zca_block**2 if config.zca_block else whole
    covariances = 6 * 8 * features**2 if config.whiten.endswith("zca") else 0
    # Raw, as floats, centred and whitened: in all about eight times the size of a batch in float32.
    return (Part("preparation", 8 * 4 * whole * min(config.batch_size, shape.size.train) + covariances),)


def _lasting(shape: Shape) -> tuple[Part, ...]:
    """What is there from the start of the loop to its end."""
    size, itemsize = shape.size, shape.engine.dtype.itemsize
    splits = [4 * prod(size.image_shape) * count for count in (size.train, size.validation, size.test)]
    inputs = sum(split for split in splits if split <= MAX_BYTES_IN_MEMORY)
    # The kernel's own copy of what it works on, where its precision is not that of the files.
    copies = 2 * sum(splits[:2]) if itemsize == 8 else 0
    kept = size.train + size.validation
    own = deviations(shape.engine.network, size.image_shape) * itemsize
    return (
        Part("compiler", COMPILER + COMPILER_PER_ACTIVATION * _activations(shape)),
        Part("images", inputs + copies),
        Part("deviations and labels", kept * (own + 8 * size.num_classes)),
    )


def _deviating(shape: Shape) -> tuple[Part, ...]:
    """While the standard deviations of train are computed."""
    chunk, devices = shape.engine.chunk(shape.size.train, 1), len(shape.engine.devices)
    each = -(-chunk // devices)
    tile = _tiles(shape, min(shape.engine.group, each), each).forward
    # The images themselves are a part of the whole, and come back from the device with their deviations.
    return (Part("chunk of targets", 0, each * _bytes_of_features(shape)), Part("tile", 0, tile.total))


def _stepping(shape: Shape) -> tuple[Part, ...]:
    """In a step."""
    support, itemsize = shape.rows, shape.engine.dtype.itemsize
    forward, reverse = _tiles(shape, shape.pairs, support * shape.per_device)
    image, features = _bytes_of_image(shape), _bytes_of_features(shape)
    # One chunk is being worked on when the next is cut out and placed.
    chunk = Part("chunk of targets", 2 * shape.chunk * features, 2 * shape.per_device * features)
    # A block as it is computed and in float64; its cotangent in float64, filled, and as it is given to the devices.
    block = support * shape.chunk
    blocks = Part("kernel blocks", block * (itemsize + 3 * 8), 2 * support * shape.per_device * itemsize)
    bands = shape.engine.saved_bytes(support, shape.chunk) // len(shape.engine.devices)
    # The kernel of the support, factored and inverted; its images with gradients and the optimiser's state.
    own = 6 * 8 * support**2 + 8 * support * image
    return (
        chunk,
        blocks,
        Part("bands kept for the gradient", 0, bands),
        Part("support", own, 4 * support * features),
        # Of a block, of a pullback, and of that of the support's features: an allocator keeps what each had.
        Part("tiles forward", 0, forward.total),
        Part("tiles backward", 0, 2 * reverse.total),
    )


def _tiles(shape: Shape, pairs: int, entries: int) -> Tiles:
    engine = shape.engine
    lanes = entries if engine.network.fully_connected else pairs
    return tiles(engine.network, engine.image_shape, engine.kind, lanes, engine.dtype.itemsize)


def _activations(shape: Shape) -> int:
    return 0 if shape.engine.network.fully_connected else len(activations(shape.engine.network.layers))
