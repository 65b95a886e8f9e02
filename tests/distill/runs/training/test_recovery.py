"""A fault undoes its step and raises the ridge; a run that cannot go on says why and keeps its last good step."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import kerneldistill.algorithms.kip
from kerneldistill.algorithms.algorithm import StepResult
from kerneldistill.algorithms.kip import Kip, KipState
from kerneldistill.algorithms.numerical_error import Diagnosis, NumericalError
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.support import Support
from kerneldistill.config.schema import KrrConfig
from kerneldistill.runs.training.checkpoints import Checkpoints
from kerneldistill.runs.training.recovery import GaveUpError, check_range
from tests.helpers.tiny_run import (
    CONFIG,
    NO_VALIDATION,
    Stopper,
    assert_same,
    problem_of,
    records,
    trained,
    with_steps,
)

pytestmark = pytest.mark.usefixtures("optax_may_promote")


def test_a_loss_that_is_not_finite_stops_with_its_step_and_a_remedy(tmp_path: Path) -> None:
    problem = problem_of(CONFIG, NO_VALIDATION)
    problem = problem._replace(start=Support(problem.start.images, 1e200 * problem.start.labels))
    with pytest.raises(
        GaveUpError, match=r"step 1: the loss is inf .*--optim\.learning-rate, .*--krr\.ridge, .*float64"
    ):
        trained(tmp_path, problem)
    assert records(tmp_path) == [{"step": 0, "rollbacks": 0, "entries": 0}]


def test_images_that_leave_the_range_end_the_run_with_a_diagnosis(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Two steps of a reasonable size, then one that no ridge makes smaller: Adam's steps are all of the learning rate.
    problem = problem_of(with_steps(2), NO_VALIDATION)
    trained(tmp_path, problem)
    capsys.readouterr()
    diverging = problem._replace(config=with_steps(5, learning_rate=1e30))
    for _ in range(2):  # and again, when it is started again
        with pytest.raises(GaveUpError) as caught:
            trained(tmp_path, diverging)
        text = str(caught.value)
        assert text.startswith("step 3: the images have left the range of float32, one has a root mean square of ")
        assert re.search(
            r"\(condition number \d\S+, smallest eigenvalue \d\S+ times the mean diagonal, image \d\)", text
        )
        assert "smaller --optim.learning-rate. Gave up after 5 rollbacks, the last with a ridge of 1.0e-01" in text
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("rollback")]
        assert [line[:16] for line in lines] == [f"rollback {n} of 5:" for n in range(1, 6)]
        assert lines[0].endswith("Trying again with a ridge of 1.0e-05")
        assert Checkpoints(tmp_path / "checkpoints", keep=2).steps() == [2]
        assert [record["step"] for record in records(tmp_path)] == [0, 1, 2]


def test_the_remedy_of_steps_that_are_too_long_is_of_their_algorithm() -> None:
    problem = problem_of(with_steps(2, name="gauss_newton"), NO_VALIDATION)
    images = problem.start.images
    with pytest.raises(NumericalError, match=r"left the range.*: use a larger --optim\.gauss-newton\.damping$"):
        check_range(problem, images, np.float32(1e30) * images, 1e-6)


@dataclass(frozen=True)
class Failing(Kip):
    """KIP whose steps (counted from 1) fail until the factor of the ridge is as large as given."""

    at: Mapping[int, float]

    def step(self, problem: Problem, state: KipState, i: int, ridge_factor: float = 1.0) -> StepResult[KipState]:
        result = super().step(problem, state, i, ridge_factor)
        if ridge_factor < self.at.get(i + 1, 1.0):
            raise NumericalError("a fault of the test", "none", Diagnosis(1e12, -1e-9, 3))
        return result


FAILING = Failing({2: 10.0, 4: 1000.0})


def test_a_fault_raises_the_ridge_for_good_and_is_in_the_record(tmp_path: Path) -> None:
    state = trained(tmp_path, problem_of(with_steps(5)), FAILING)
    found = records(tmp_path)
    assert [record["rollbacks"] for record in found] == [0, 0, 1, 1, 3, 3]
    assert [record["ridge"] for record in found[1:]] == pytest.approx([1e-6, 1e-5, 1e-5, 1e-3, 1e-3])
    assert state.rollbacks == 3
    assert state.best.ridge == pytest.approx({0: 1e-6, 2: 1e-5, 4: 1e-3, 5: 1e-3}[state.best.step])


def test_a_run_with_faults_resumes_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problem_of(with_steps(5))
    truth = trained(tmp_path / "whole", problem, FAILING)
    for moment in (4, 5, 12):  # in the fault of step 2, between it and its repetition, and in the faults of step 4
        folder, stopper = tmp_path / str(moment), Stopper(moment, KeyboardInterrupt)
        with monkeypatch.context() as patch:
            patch.setattr(
                kerneldistill.algorithms.kip,
                "loss_and_gradient",
                stopper.wrap(kerneldistill.algorithms.kip.loss_and_gradient),
            )
            with pytest.raises(KeyboardInterrupt):
                trained(folder, problem, FAILING)
        assert_same(trained(folder, problem, FAILING), truth)
        assert records(folder) == records(tmp_path / "whole")


def test_a_support_whose_kernel_has_no_inverse_gets_one_by_the_ridge(tmp_path: Path) -> None:
    problem = problem_of(replace(with_steps(2), krr=KrrConfig(ridge=0.0)))
    twice = np.repeat(problem.start.images[::2], 2, axis=0)
    state = trained(tmp_path, problem._replace(start=problem.start._replace(images=twice)))
    # Rounding decides whether equal rows still have a factor: with a ridge of 0 or of a few eps.
    assert np.isfinite(state.learner.support.images).all()
    assert all(np.isfinite(list(record.values())).all() for record in records(tmp_path))
