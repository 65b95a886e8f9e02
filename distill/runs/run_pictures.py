"""The pictures of a run while it goes on: the newest images beside their starts, and small ones of how they evolve."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kerneldistill.algorithms.registry import algorithm_of
from kerneldistill.algorithms.support import Start, Support
from kerneldistill.bundle.contact_sheet import SheetContents, draw_sheet
from kerneldistill.config.schema import Config
from kerneldistill.pipeline import Prepared
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.training.evolution import TILE, Evolution
from kerneldistill.runs.training.live_picture import LivePicture
from kerneldistill.runs.training.loop import TrainState


class RunPictures:
    """Draws a run when it is saved, as long as that takes little of the time.

    Args:
      rundir: of the run
      config: its configuration
      data: for the way back to pixels, and the names of the classes
      start: where the images began
      written: whether this process writes
    """

    def __init__(self, rundir: RunDir, config: Config, data: Prepared, start: Start, written: bool) -> None:
        self._config = config
        self._data = data
        self._start = start
        self._written = written
        self._live = LivePicture(rundir.live_picture)
        self._evolution = Evolution(rundir.frames)

    def begin(self, saved: Sequence[int]) -> None:
        """Forget what is done again, and keep the start; `saved`: steps from which the run may go on."""
        if not self._written:
            return
        self._evolution.forget_after(max(saved, default=-1))
        if not saved:
            self._keep(0, self._start.support, always=True)

    def show(self, state: TrainState) -> None:
        """Draw the images as they are after a step."""
        if not self._written:
            return
        support = algorithm_of(self._config).support(state.learner)
        self._live.show(lambda: draw_sheet(replace(self._sheet(state.step, support), starts=self._starts())))
        self._keep(state.step, support, always=state.step == self._config.optim.steps)

    def _starts(self) -> np.ndarray:
        return self._data.whitener.invert(self._start.support.images.astype(np.float32))

    def _keep(self, step: int, support: Support, always: bool) -> None:
        self._evolution.add(step, lambda: draw_sheet(self._sheet(step, support), TILE), always)

    def _sheet(self, step: int, support: Support) -> SheetContents:
        names, count = self._data.manifest.class_names, len(self._start.class_ids)
        return SheetContents(
            learned=self._data.whitener.invert(np.asarray(support.images, np.float32)),
            starts=None,
            class_ids=self._start.class_ids,
            class_names=names,
            title=f"{self._data.manifest.name}: {count} learned images after {step} step{'s' * (step != 1)}",
            name="learned",
            labels=np.asarray(support.labels) if self._config.support.learn_labels else None,
        )
