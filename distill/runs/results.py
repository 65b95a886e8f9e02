"""The results of a run, as JSON and as a table."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydantic

from kerneldistill.algorithms.power_law import PowerLaw
from kerneldistill.algorithms.support import LabelMode
from kerneldistill.config.schema import ViewName
from kerneldistill.errors import UserError
from kerneldistill.evaluation.protocol_result import ProtocolResult
from kerneldistill.runtime.text import mean_percent, percent


@dataclass(frozen=True)
class Measured:
    """A support, scored.

    accuracy: 0..1
    mse: 1/2 mean square over images and classes
    spectrum: power law of the eigenvalues of its kernel; None for very few images,
      for thousands, and where it was not measured
    """

    accuracy: float
    mse: float
    spectrum: PowerLaw | None = None


@dataclass(frozen=True)
class Results:
    """Kernel ridge regression from a support, scored.

    step: outer steps behind the chosen support
    label_mode: how its labels came about
    support_size: images in it
    num_test: test images predicted
    learned: the chosen support, on test
    start: what it began as, on test
    random_real: other random real supports of the same size, on test
    validation: the chosen support on validation, by which it was chosen; None without a validation split
    protocols: the chosen support under named protocols, as far as they were asked for
    averaged: whether the chosen support is the mean of those of several steps
    began_as: the start, in words
    ensembled: the chosen support, on test, by the mean kernel of the views `evaluate.ensemble`; None without them
    views: those
    """

    step: int
    label_mode: LabelMode
    support_size: int
    num_test: int
    learned: Measured
    start: Measured
    random_real: tuple[Measured, ...]
    validation: Measured | None
    protocols: tuple[ProtocolResult, ...] = ()
    averaged: bool = False
    began_as: str = "real images"
    ensembled: Measured | None = None
    views: tuple[ViewName, ...] = ()

    def to_json(self) -> str:
        """The results as a JSON object."""
        return pydantic.TypeAdapter(Results).dump_json(self, indent=2).decode() + "\n"

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read what `to_json` gave.

        Raises:
          UserError: the file is missing or damaged.
        """
        if not path.exists():
            raise UserError(
                f"{path} is missing: nothing is measured there yet; kdistill evaluate {path.parent} does it"
            )
        try:
            return pydantic.TypeAdapter(cls).validate_json(path.read_bytes())
        except pydantic.ValidationError as error:
            first = error.errors()[0]["msg"]
            raise UserError(
                f"{path} is damaged ({first}): measure again with kdistill evaluate {path.parent}"
            ) from error

    @classmethod
    def protocols_of(cls, path: Path, support_sha256: str) -> tuple[ProtocolResult, ...]:
        """Return what protocols measured of a support, before its results are measured again.

        It omits those of another support; a file that is missing or damaged has none.
        """
        try:
            measured = cls.load(path).protocols
        except UserError:
            return ()
        return tuple(result for result in measured if result.support_sha256 == support_sha256)

    @property
    def chosen(self) -> str:
        """How the chosen support came about, in words."""
        if self.label_mode == "label_solve":
            return "labels solved"
        return f"learned, {'mean up to ' if self.averaged else ''}step {self.step:,}"

    def table(self, dataset: str) -> tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Title, header and rows for the closing table."""
        rows = [(self.chosen, percent(self.learned.accuracy), f"{self.learned.mse:.4f}")]
        rows += self.ensembled_row()
        rows.append((f"its start, {self.began_as}", percent(self.start.accuracy), f"{self.start.mse:.4f}"))
        if self.random_real:
            mean = mean_percent([measured.accuracy for measured in self.random_real])
            rows.append((f"random real images, mean of {len(self.random_real)}", mean, f"{self._random_mse():.4f}"))
        return (
            f"{dataset}: {self.support_size} images predict {self.num_test:,} test images by kernel ridge regression",
            ("support", "test accuracy", "test mse"),
            tuple(rows),
        )

    def ensembled_row(self) -> tuple[tuple[str, str, str], ...]:
        """What views of the test images give, as a row below that of the chosen support; nothing without them."""
        if self.ensembled is None:
            return ()
        seen = f"the same, each test image also by {' and '.join(self.views)}"
        return ((seen, percent(self.ensembled.accuracy), f"{self.ensembled.mse:.4f}"),)

    def _random_mse(self) -> float:
        return float(np.mean([measured.mse for measured in self.random_real]))
