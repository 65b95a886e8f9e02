"""The one exception for arithmetic that failed: a support whose regression cannot be solved, a step that is not finite.

The loop rolls back on it and tries again with a larger ridge (`kerneldistill.algorithms.kip.advance` takes the factor).
"""

from typing import NamedTuple

from kerneldistill.errors import UserError


class Diagnosis(NamedTuple):
    """What is known of the support's kernel where arithmetic failed.

    condition: number of k_ss with its ridge; inf where it is not positive definite, nan where it is not finite
    smallest_eigenvalue: of k_ss without the ridge, relative to its mean diagonal; nan where it is not finite
    worst_image: index of the image of the support that has most part in the fault
    """

    condition: float
    smallest_eigenvalue: float
    worst_image: int


class NumericalFault(UserError):  # noqa: N818 - a fault of the numbers, not of what calls
    """Arithmetic failed.

    what: what failed, without a full stop
    remedy: what to do about it
    diagnosis: of the support's kernel
    step: the outer step, counted from 1; None outside the loop
    """

    def __init__(self, what: str, remedy: str, diagnosis: Diagnosis, step: int | None = None) -> None:
        self.what, self.remedy, self.diagnosis, self.step = what, remedy, diagnosis, step
        where = "" if step is None else f"step {step}: "
        super().__init__(
            f"{where}{what} (condition number {diagnosis.condition:.1e}, smallest eigenvalue "
            f"{diagnosis.smallest_eigenvalue:.1e} times the mean diagonal, image {diagnosis.worst_image}): {remedy}"
        )

    def at(self, step: int) -> "NumericalFault":
        """The same fault in an outer step, counted from 1."""
        return NumericalFault(self.what, self.remedy, self.diagnosis, step)
