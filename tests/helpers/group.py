"""One of several processes that compute together on the CPU, for tests.

`python -m tests.helpers.group PORT INDEX COUNT SCENARIO [FILE]`: process 0 plays the scenario, the others follow, as in
the command `kdistill`. FILE receives arrays (.npz).
"""

import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from kerneldistill.algorithms.gradient import loss_and_gradient
from kerneldistill.algorithms.label_solve import label_solve
from kerneldistill.algorithms.losses import LossValue, half_mse
from kerneldistill.algorithms.numerical_error import NumericalError
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import Support, real_support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.cli import main as cli
from kerneldistill.kernels.architectures import conv_net, fc_net
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.network import Network
from kerneldistill.runtime.distributed import collectives, timeouts
from kerneldistill.runtime.distributed.options import Processes
from kerneldistill.runtime.distributed.rendezvous import join
from tests.helpers.splits import make_split

SHAPE = (6, 6, 1)
NETWORKS = {"fc": fc_net(1), "conv": conv_net(1)}
RIDGE = 1e-2


def problem(network: Network) -> tuple[ExactEngine, Support, Targets]:
    """Seven supports and 13 targets, which nothing divides."""
    engine = ExactEngine(network, "ntk", SHAPE, np.dtype(np.float64))
    support = real_support(make_split((3, 2, 2), SHAPE, seed=1, noise=2.0), np.arange(7), 3, engine.dtype)
    return engine, support, Targets(engine, make_split((5, 5, 3), SHAPE, noise=2.0), 3)


def computed(network: Network, targets_in_turn: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Gradient, score and solved labels: what passes over targets give."""
    engine, support, targets = problem(network)
    found = loss_and_gradient(engine, support, targets.chunks(7, targets_in_turn), RIDGE, half_mse)
    return {
        "loss": np.array(found.loss),
        "images": found.images,
        "labels": found.labels,
        "score": np.array(evaluate(engine, support, targets, RIDGE)),
        "solved": label_solve(engine, support.images, targets, RIDGE).labels,
    }


def same(file: Path, names: Iterable[str]) -> None:
    """What all compute together, for networks by name, and for targets that are too few for a share each."""
    found = {f"{name}/{key}": array for name in names for key, array in computed(NETWORKS[name]).items()}
    few = computed(NETWORKS["fc"], np.array([4]))
    found |= {f"moved/{key}": array for key, array in moved().items()}
    np.savez(file, **found, **{f"few/{key}": array for key, array in few.items()})


def moved() -> dict[str, np.ndarray]:
    """The bytes that each exchange of a step has of this process: what is summed or copied, and what is gathered."""
    engine, support, targets = problem(NETWORKS["fc"])
    exchange, sizes = collectives._group._exchange, {"total": [], "gather": []}
    for name, noted in sizes.items():
        of = getattr(exchange, name)
        setattr(exchange, name, lambda x, of=of, noted=noted: (noted.append(x.nbytes), of(x))[1])
    loss_and_gradient(engine, support, targets.chunks(7), RIDGE, half_mse)
    return {name: np.array(noted) for name, noted in sizes.items()}


def left() -> None:
    """Passes that process 0 leaves in the midst: by a fault, and by an interruption."""
    engine, support, targets = problem(NETWORKS["fc"])
    twice = Support(np.concatenate([support.images[:3]] * 2), support.labels[:6])
    try:
        loss_and_gradient(engine, twice, targets.chunks(6), 0.0, half_mse)
    except NumericalError:
        pass
    else:
        raise AssertionError("equal images were inverted")

    def interrupted(chunks):
        yield next(iter(chunks))
        raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        loss_and_gradient(engine, support, targets.chunks(7), RIDGE, half_mse, interrupted)


def _played(name: str, predictions: np.ndarray, labels: np.ndarray) -> LossValue:
    """A loss that comes to grief in one process."""
    kind, _, index = name.partition("-")
    if collectives._group.index == int(index):
        match kind:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "raise":
                raise RuntimeError("played by a test")
            case "stick":
                time.sleep(600)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
    return half_mse(predictions, labels)


def fail(name: str) -> None:
    """Passes in the midst of which one process comes to grief: `kill-1` kills process 1, `stick-0` sticks process 0."""
    engine, support, targets = problem(NETWORKS["fc"])
    for loss in (half_mse, half_mse, partial(_played, name)):
        loss_and_gradient(engine, support, targets.chunks(7), RIDGE, loss)


def wait(file: Path) -> None:
    """Waits, so that a signal can be sent."""
    file.write_text("here")
    time.sleep(60)


def main(port: str, index: str, count: str, scenario: str, *file: str) -> int:
    """The exit status."""
    # What is stuck is found in seconds; the first pass, which compiles, takes longer.
    timeouts.LEAST_SECONDS = 3.0
    if not join(Processes(f"127.0.0.1:{port}", int(count), int(index))):
        return collectives.follow()
    match scenario:
        case "same":
            same(Path(*file), NETWORKS)
        case "short":
            left()
            same(Path(*file), ["fc"])
            fail("kill-1")
        case "wait":
            wait(Path(*file))
        case _:
            fail(scenario)
    return 0


if __name__ == "__main__":
    cli._dispatch = lambda args: main(*args)
    sys.exit(cli.main())
