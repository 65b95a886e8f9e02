"""Predict the memory of a run at its peak, part by part: integers and three measured constants.

Three moments can be the peak: when the data are prepared, if they are not yet; when the standard deviations of all
images are computed, chunk by chunk; and in a step, after its last pullback was compiled. On CPU the devices share the
host's memory, and all parts add up; elsewhere the host's part and each device's are apart. Not counted: images that are
mapped from disk, which the system drops when it must.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from kerneldistill.kernels.tile_memory import Tiles, deviations, tiles
from kerneldistill.pipeline.prepared import MAX_BYTES_IN_MEMORY
from kerneldistill.runs.planning.feature_workload import FeatureWorkload
from kerneldistill.runs.planning.random_features_cost import embedded_bytes, feature_map
from kerneldistill.runs.planning.workload import Workload

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
    """A part of the memory at the peak.

    name: for a person
    host: bytes in the process
    device: bytes on each device
    """

    name: str
    host: int = 0
    device: int = 0


@dataclass(frozen=True)
class Memory:
    """Memory at the peak.

    parts: in the order in which they are allocated
    shared: whether the devices use the process's memory
    devices: number of devices
    """

    parts: tuple[Part, ...]
    shared: bool
    devices: int

    @property
    def host(self) -> int:
        """Bytes in the process, including its devices' if they share its memory."""
        return sum(part.host + (self.devices * part.device if self.shared else 0) for part in self.parts)

    @property
    def device(self) -> int:
        """Bytes on each device."""
        return sum(part.device for part in self.parts)

    @property
    def limited(self) -> int:
        """The bytes that `Machine.memory` limits: a device's, or the process's if devices share them."""
        return self.host if self.shared else self.device


def memory_of(work: Workload) -> Memory:
    """Predict the memory of a run at its peak."""
    shared = work.engine.devices[0].platform == "cpu"
    if isinstance(work, FeatureWorkload):
        return Memory(_encoding(work), shared, len(work.engine.devices))
    process, later = _process(work), _lasting(work)
    stepping = _stepping if work.second_order is None else _linearising
    if work.config.random_features.networks:
        stepping = _embedding
    alternatives = [(*later, *_deviating(work)), (*later, *stepping(work))]
    if not work.size.prepared:
        alternatives.append(_preparing(work))
    moments = [Memory((*process, *parts), shared, len(work.engine.devices)) for parts in alternatives]
    return max(moments, key=lambda memory: (memory.limited, memory.host))


def _encoding(work: FeatureWorkload) -> tuple[Part, ...]:
    """Parts of a step on features, all of them at once.

    Of the encoder all that it computes of a group counts, and as much again for the way back: a bound, as compilers
    reuse it.
    """
    size, rows, classes, itemsize = work.features + 1, work.rows, work.size.num_classes, work.engine.dtype.itemsize
    splits = [4 * prod(work.size.image_shape) * count for count in (work.size.train, work.size.validation)]
    inputs = sum(split for split in splits if split <= MAX_BYTES_IN_MEMORY)
    least, group = min(size, rows), work.engine.group // len(work.engine.devices)
    support = 8 * (4 * rows * size + 3 * least**2 + 6 * rows * classes + 4 * size * classes)
    return (
        *_process(work),
        Part("compiler", COMPILER),
        Part("images", inputs * (3 if itemsize == 8 else 1)),
        Part("chunk of targets", work.chunk * (2 * itemsize * size + 8 * (2 * size + 6 * classes))),
        Part("support", support + 8 * rows * _bytes_of_image(work)),
        Part("encoder", 0, 2 * group * work.bytes_of_image),
    )


def _bytes_of_image(work: Workload) -> int:
    return prod(work.size.image_shape) * work.engine.dtype.itemsize


def _bytes_of_features(work: Workload) -> int:
    own = deviations(work.engine.network, work.size.image_shape)
    return _bytes_of_image(work) + own * work.engine.dtype.itemsize


def _process(work: Workload) -> tuple[Part, ...]:
    """Parts that last from the start to the end."""
    loaded = () if work.size.prepared else (Part("libraries of the preparation", PREPARATION),)
    return (Part("process", PROCESS), *loaded)


def _preparing(work: Workload) -> tuple[Part, ...]:
    """Parts of preparing the data: batches, and a ZCA's covariance with what is made of it."""
    config, (height, width, channels) = work.config.data, work.size.image_shape
    whole = height * width * channels
    features = channels * config.zca_block**2 if config.zca_block else whole
    covariances = 6 * 8 * features**2 if config.whiten.endswith("zca") else 0
    # Raw, as floats, centred and whitened: in all about eight times the size of a batch in float32.
    return (Part("preparation", 8 * 4 * whole * min(config.batch_size, work.size.train) + covariances),)


def _lasting(work: Workload) -> tuple[Part, ...]:
    """Parts that last as long as the loop."""
    size, itemsize = work.size, work.engine.dtype.itemsize
    splits = [4 * prod(size.image_shape) * count for count in (size.train, size.validation, size.test)]
    inputs = sum(split for split in splits if split <= MAX_BYTES_IN_MEMORY)
    # The kernel's own copy of what it works on, where its precision is not that of the files.
    copies = 2 * sum(splits[:2]) if itemsize == 8 else 0
    kept = size.train + size.validation
    own = deviations(work.engine.network, size.image_shape) * itemsize
    return (
        Part("compiler", COMPILER + COMPILER_PER_ACTIVATION * _activations(work)),
        Part("images", inputs + copies),
        Part("deviations and labels", kept * (own + 8 * size.num_classes)),
    )


def _deviating(work: Workload) -> tuple[Part, ...]:
    """Parts of computing the standard deviations of train."""
    each = -(-work.engine.chunk(work.size.train, 1) // work.engine.target_shards)
    tile = _tiles(work, min(work.engine.group, each), each).forward
    # The images themselves are a part of the whole, and come back from the device with their deviations.
    return (Part("chunk of targets", 0, each * _bytes_of_features(work)), Part("tile", 0, tile.total))


def _stepping(work: Workload) -> tuple[Part, ...]:
    """Parts of a step."""
    support, own, itemsize = work.rows, work.rows_per_device, work.engine.dtype.itemsize
    forward, reverse = _tiles(work, work.pairs, own * work.per_device)
    # A block as it is computed and in float64; its cotangent in float64, filled, and as it is given to the devices.
    block = support * work.chunk
    blocks = Part("kernel blocks", block * (itemsize + 3 * 8), 2 * own * work.per_device * itemsize)
    bands = work.engine.saved_bytes(support, work.chunk) // len(work.engine.devices)
    # A TPU's compiler copies those of the group at work, where the others have them in place.
    groups = -(-work.per_device // work.engine.group) if work.engine.device.platform == "tpu" else 0
    copied = bands // groups if groups else 0
    return (
        _chunk(work),
        blocks,
        Part("bands kept for the gradient", 0, bands + copied),
        _support(work),
        # Of a block, of a pullback, and of that of the support's features: an allocator keeps what each had.
        Part("tiles forward", 0, forward.total),
        Part("tiles backward", 0, 2 * reverse.total),
    )


def _embedding(work: Workload) -> tuple[Part, ...]:
    """Parts of a step by random features."""
    features = feature_map(work.config, work.engine)
    chunk = features.chunk(work.targets)
    blocks = Part("kernel blocks", 4 * 8 * work.rows * chunk)
    return (blocks, _support(work), Part("random features", 0, embedded_bytes(features, work.rows, chunk)))


def _linearising(work: Workload) -> tuple[Part, ...]:
    """Parts of a second-order step, when the Jacobians of its last chunk have come to those of earlier steps."""
    order, rows = work.second_order, work.config.support.size
    assert order is not None  # `memory_of` asks for these parts where it is not
    forward, reverse = _tiles(work, work.pairs, work.rows_per_device * work.per_device)
    image, size = _bytes_of_image(work), work.targets_of_steps
    # Those of a chunk as computed, with the targets first, and those of the chunk before it.
    chunk = 3 * work.rows_per_device * work.per_device * image
    # With mirror images the two halves are added up first, and then turned to have the support's images first.
    added = rows * work.chunk * image if work.config.support.flip else 0
    # A new batch is there in chunks and as a whole while all that the step before kept is still held.
    before = np.concatenate([[0], order.kept])[: len(size)]
    kept = rows * int(np.max(before + 2 * size, initial=0)) + 2 * rows**2 * order.by_k_ss
    # Kernels in float64 where they are linearised and where they are used, side by side and as a triangle is made.
    kernels = 6 * 8 * rows * int(np.max(order.kept, initial=0))
    return (
        _chunk(work),
        Part("kernel blocks", kernels, 2 * work.rows_per_device * work.per_device * work.engine.dtype.itemsize),
        Part("Jacobians of a chunk", added, chunk),
        Part("kept Jacobians", kept * image),
        _support(work),
        Part("tiles forward", 0, forward.total),
        Part("tiles backward", 0, reverse.total),
    )


def _chunk(work: Workload) -> Part:
    """The targets of a chunk: one is being worked on when the next is cut out and placed."""
    features = _bytes_of_features(work)
    return Part("chunk of targets", 2 * work.chunk * features, 2 * work.per_device * features)


def _support(work: Workload) -> Part:
    """The kernel of the support, factored and inverted; its images, and their matrix, with the optimiser's state."""
    own = 6 * 8 * work.rows**2 + 8 * work.rows * _bytes_of_image(work)
    if work.config.optim.transform_learning_rate is not None:
        # The matrix, its gradient, two moments, the update, and what a checkpoint copies of those that stay.
        own += 8 * prod(work.size.image_shape) * _bytes_of_image(work)
    # A device has its rows alone, but for the kernel of the support with itself, which takes the features of all.
    rows = 4 * work.rows_per_device + work.rows * (work.engine.support_shards > 1)
    return Part("support", own, rows * _bytes_of_features(work))


def _tiles(work: Workload, pairs: int, entries: int) -> Tiles:
    engine = work.engine
    lanes = entries if engine.network.fully_connected else pairs
    return tiles(engine.network, engine.image_shape, engine.kind, lanes, engine.dtype.itemsize, engine.device)


def _activations(work: Workload) -> int:
    return 0 if work.engine.network.fully_connected else len(work.engine.network.activations)
