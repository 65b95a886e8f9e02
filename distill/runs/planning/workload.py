"""Count what a run computes: chunks, kernel entries and operations."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kerneldistill.algorithms.algorithm import SecondOrder
from kerneldistill.algorithms.engines import exact_engine_of
from kerneldistill.algorithms.ensemble import views
from kerneldistill.algorithms.registry import algorithm_of
from kerneldistill.algorithms.target_batch import batch_of_step
from kerneldistill.config.data_limits import check_shards
from kerneldistill.config.schema import Config
from kerneldistill.config.settings import flag
from kerneldistill.errors import UserError
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.flops import Flops, entry_flops
from kerneldistill.kernels.levels import levels
from kerneldistill.kernels.topologies import Described
from kerneldistill.runs.bring_up import refit_targets
from kerneldistill.runs.planning.dataset_size import DataSize
from kerneldistill.runs.training.schedule import to_validate


@dataclass(frozen=True)
class Workload:
    """What a run computes.

    config: configuration of the run
    size: sizes of its data set
    engine: what would compute it; planning for other devices, its devices are stand-ins and it cannot compute
    """

    config: Config
    size: DataSize
    engine: ExactEngine

    @property
    def rows(self) -> int:
        """Rows of the kernel: the learned images and, with `support.flip`, their mirror images."""
        return self.config.support.size * (1 + self.config.support.flip)

    @cached_property
    def targets(self) -> int:
        """Targets of a step, of the last one where they grow."""
        return min(self.config.optim.target_batch, self.size.train)

    @cached_property
    def targets_of_steps(self) -> np.ndarray:
        """Targets of each step; all the most, where the noise of the gradient decides."""
        optim, classes = self.config.optim, self.size.num_classes
        if optim.growth.name in ("constant", "noise"):
            return np.full(optim.steps, self.targets)
        sizes = [batch_of_step(optim, classes, step) for step in range(optim.steps)]
        return np.minimum(np.array(sizes, int), self.size.train)

    @cached_property
    def batches(self) -> Mapping[int, int]:
        """How many steps have how many targets."""
        return Counter(self.targets_of_steps.tolist()) or {self.targets: 0}

    @cached_property
    def second_order(self) -> SecondOrder | None:
        """What the steps do by Jacobians; None if they take none."""
        return algorithm_of(self.config).second_order(self.config, self.targets_of_steps)

    @cached_property
    def programs(self) -> int:
        """How often a step's programs are compiled: once for each size of a chunk."""
        sizes = {self.chunk_of(targets) for targets in self.batches}
        if self.second_order is not None and self.second_order.by_k_ss:
            sizes.add(self.chunk_of(self.config.support.size))
        return len(sizes)

    @cached_property
    def chunk(self) -> int:
        """Targets of a chunk of a step, on all devices."""
        return self.chunk_of(self.targets)

    def chunk_of(self, targets: int) -> int:
        """Targets of a chunk of so many."""
        size = self.engine.chunk if self.second_order is None else self.engine.jacobian_chunk
        return size(targets, self.rows)

    @cached_property
    def passed(self) -> np.ndarray:
        """Jacobians of entries that the linear algebra of each step goes over, each pass counted; 0 where it has none.

        With `support.flip` an image and its mirror image have one.
        """
        if self.second_order is None:
            return np.zeros_like(self.targets_of_steps)
        return self.second_order.passes * self.config.support.size * self.second_order.kept

    @cached_property
    def per_device(self) -> int:
        """Targets of a chunk on one device."""
        return -(-self.chunk // self.engine.target_shards)

    @property
    def rows_per_device(self) -> int:
        """Rows of the kernel on one device."""
        return self.rows // self.engine.support_shards

    @cached_property
    def pairs(self) -> int:
        """Columns of a tile."""
        return min(self.engine.group, self.per_device)

    @cached_property
    def flops(self) -> Flops:
        """Operations of a kernel entry."""
        return entry_flops(self.engine.network, self.engine.image_shape, self.engine.kind)

    @cached_property
    def step_entries(self) -> int:
        """Entries of an outer step, of the last one where they grow, each with its gradient."""
        return self.entries_of(self.targets)

    def entries_of(self, targets: int) -> int:
        """Entries of a step to so many targets."""
        return algorithm_of(self.config).step_entries(self.rows, targets)

    @cached_property
    def validations(self) -> int:
        """Evaluations on the validation split."""
        steps = self.config.optim.steps
        due = sum(to_validate(step, self.config) for step in range(1, steps + 1))
        return 1 + due * (1 if self.config.optim.average is None else 2) if self.size.validation else 0

    @cached_property
    def validation_entries(self) -> int:
        """Entries of all evaluations on the validation split, without gradient."""
        return self.validations * self.rows * (self.size.validation + self.rows)

    @cached_property
    def test_entries(self) -> int:
        """Entries of the final evaluation, without gradient: the learned set, its start, random real sets, views."""
        names = self.config.evaluate.ensemble
        sets = 2 + self.config.evaluate.baseline_draws + (len(views(names)) if names else 0)
        on_validation = self.rows * (self.size.validation + self.rows) if self.size.validation else 0
        return sets * self.rows * (self.size.test + self.rows) + on_validation

    @property
    def start_entries(self) -> int:
        """Entries of the final evaluation that the start takes, and solved labels share with it."""
        return self.rows * (self.size.test + self.rows)

    @property
    def label_entries(self) -> int:
        """Entries of one pass over train, by which labels are solved for, without gradient."""
        return self.rows * (self.size.train + self.rows)

    @cached_property
    def refit_entries(self) -> int:
        """Entries by which labels are fitted, without gradient: at the start from the level before, and at the end."""
        support = self.config.support
        fits = [refit_targets(support.size)] * bool(self.config.coarse)
        fits += [support.refit_targets] * (support.refit != "none")
        return self.rows * sum(min(self.size.train, targets) + self.rows for targets in fits if support.learn_labels)

    @cached_property
    def images(self) -> int:
        """Images whose standard deviations are computed once, at about one entry each; validation images twice."""
        return self.size.train * bool(self.config.optim.steps) + 2 * self.size.validation + self.size.test

    @cached_property
    def step_images(self) -> int:
        """Images whose standard deviations are computed in a step, the last one where its targets grow."""
        return self.images_of(self.targets)

    def images_of(self, targets: int) -> int:
        """Those of a step to so many targets: the augmented ones and the support."""
        return targets * bool(self.config.augment.names) + 2 * self.rows

    @property
    def notes(self) -> tuple[str, ...]:
        """What the plan leaves out."""
        config, notes = self.config, []
        if config.kernel.sampled:
            notes.append("the steps draw from kernel.sampled; planned is the main kernel alone")
        if config.optim.growth.name == "noise":
            notes.append("the batch grows with the noise of the gradient; planned are steps of the largest one")
        return tuple(notes)

    @property
    def resolutions(self) -> tuple[str, ...]:
        """The resolutions of the network, as text."""
        network, (height, width, _) = self.engine.network, self.engine.image_shape
        if network.fully_connected:
            return ()
        return tuple(
            f"{o.height}x{o.width}: {o.shape[0]}x{o.shape[1]} offsets"
            + (", wrapped" if o.wrapped else f", radius {o.ry},{o.rx}" if o.ry != o.rx else f", radius {o.ry}")
            + (f", steps of {o.step}" if o.step > 1 and o.shape != (1, 1) else "")
            for o in (level.offsets for level in levels(network, height, width))
        )


def workload_of(config: Config, size: DataSize, devices: int | Sequence[Described]) -> Workload:
    """Return the workload of a run on so many devices of this kind, or on others; start jax's backend.

    Raises:
      UserError: the network cannot take the images, or the support cannot be dealt to the devices.
    """
    shards, there = config.support.shards, devices if isinstance(devices, int) else len(devices)
    check_shards(config.support, there)
    try:
        engine = exact_engine_of(config.kernel, size.image_shape)
    except ValueError as error:
        raise UserError(f"{error}: change {flag('kernel.network')} or {flag('kernel.depth')}") from error
    if not isinstance(devices, int):
        engine = replace(engine, devices=tuple(devices), support_shards=shards)
    elif len(engine.devices) != devices:
        engine = replace(engine, devices=(engine.devices[0],) * devices, support_shards=shards)
    else:
        engine = exact_engine_of(config.kernel, size.image_shape, shards=shards)
    return Workload(config, size, engine)
