"""The one exception for arithmetic that failed: a support whose regression cannot be solved, a step that is not finite.

The training loop undoes the step and tries it again with a larger ridge.
"""

from typing import NamedTuple

from kerneldistill.errors import UserError


class Diagnosis(NamedTuple):
    """The support's kernel where arithmetic failed.

    condition: number of k_ss with its ridge; inf where it is not positive definite, nan where it is not finite
    smallest_eigenvalue: of k_ss without the ridge, relative to its mean diagonal; nan where it is not finite
    worst_image: index of the image of the support that has most part in the fault
    """

    condition: float
    smallest_eigenvalue: float
    worst_image: int


class NumericalError(UserError):
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

    def at(self, step: int) -> "NumericalError":
        """The same error in an outer step, counted from 1."""
        return NumericalError(self.what, self.remedy, self.diagnosis, step)

    def of_images(self, size: int) -> "NumericalError":
        """The same error, its worst image one of the `size` that are learned and no mirror image of it."""
        diagnosis = self.diagnosis._replace(worst_image=self.diagnosis.worst_image % size)
        return NumericalError(self.what, self.remedy, diagnosis, self.step)
