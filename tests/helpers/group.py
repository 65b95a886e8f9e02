"""One of several processes that compute together on the CPU, for tests.

`python -m tests.helpers.group PORT INDEX COUNT SCENARIO [FILE]`: as in the command `kdistill`, each process plays the
scenario. Process 0 stores arrays in FILE (.npz), process 1 in FILE.1, ...
"""

import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from kerneldistill.algorithms import kept_features, kept_triangle
from kerneldistill.algorithms.gradient import loss_and_gradient
from kerneldistill.algorithms.label_solve import label_solve
from kerneldistill.algorithms.losses import LossValue, half_mse
from kerneldistill.algorithms.numerical_error import NumericalError
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import Support, real_support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.cli import main as cli
from kerneldistill.errors import UserError
from kerneldistill.kernels.architectures import conv_net, fc_net
from kerneldistill.kernels.engine import Engine
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.feature_engine import FeatureEngine
from kerneldistill.kernels.feature_kernel import features
from kerneldistill.kernels.network import Network
from kerneldistill.runtime.distributed import collectives, watchdog
from kerneldistill.runtime.distributed.options import Processes
from kerneldistill.runtime.distributed.start import joined
from kerneldistill.runtime.distributed.stop import poll
from tests.helpers.encoders import encoder
from tests.helpers.label_solve import StoppedError, stopped_after
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
    return passes(*problem(network), targets_in_turn)


def by_features(folder: Path) -> dict[str, np.ndarray]:
    """The same by the features of an encoder, which are kept in `folder`, in files of four images."""
    engine = FeatureEngine(features(encoder()), SHAPE, np.dtype(np.float64))
    _, support, targets = problem(NETWORKS["fc"])
    with patch.object(kept_features, "ROWS", 4):
        return passes(engine, support, Targets(engine, targets.split, 3, folder=folder))


def passes(
    engine: Engine, support: Support, targets: Targets, targets_in_turn: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """See `computed`."""
    found = loss_and_gradient(engine, support, targets.chunks(7, targets_in_turn), RIDGE, half_mse)
    return {
        "loss": np.array(found.loss),
        "images": found.images,
        "labels": found.labels,
        "score": np.array(evaluate(engine, support, targets, RIDGE)),
        "solved": label_solve(engine, support.images, targets, RIDGE).labels,
    }


def resumed(file: Path) -> dict[str, np.ndarray]:
    """Labels solved for after a stop within the targets, and once more when all targets are done."""
    engine, support, targets = problem(NETWORKS["fc"])
    found = {}
    with patch.object(ExactEngine, "chunk", lambda *_: 2), patch.object(kept_triangle, "_EACH", -1.0):
        with stopped_after(2), pytest.raises(StoppedError):
            label_solve(engine, support.images, targets, RIDGE, kept=file)
        for key in ("stopped", "done"):
            found[key] = label_solve(engine, support.images, targets, RIDGE, kept=file).labels
    return found


def same(file: Path, names: Iterable[str]) -> None:
    """What all compute together, for networks by name, and for targets that are too few for a shard each."""
    found = {f"{name}/{key}": array for name in names for key, array in computed(NETWORKS[name]).items()}
    found |= {f"few/{key}": array for key, array in computed(NETWORKS["fc"], np.array([4])).items()}
    found |= {f"features/{key}": array for key, array in by_features(file.parent / "features").items()}
    found |= {f"resumed/{key}": array for key, array in resumed(file.with_suffix(".kept")).items()}
    alike("".join(hashlib.sha256(array.tobytes()).hexdigest() for array in found.values()))
    found |= {f"moved/{key}": array for key, array in moved().items()}
    np.savez(file if collectives.index() == 0 else f"{file}.{collectives.index()}", **found)


def alike(text: str) -> None:
    """Checks that all processes hold the same text."""
    digests = collectives.all_gather(np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint32))
    assert (digests == digests[0]).all(), digests


def moved() -> dict[str, np.ndarray]:
    """The bytes that each exchange of a step has of this process: what is summed or copied, and what is gathered."""
    engine, support, targets = problem(NETWORKS["fc"])
    sizes: dict[str, list[int]] = {"_sum": [], "all_gather": []}
    for name, noted in sizes.items():
        of = getattr(collectives, name)
        setattr(collectives, name, lambda x, of=of, noted=noted: (noted.append(x.nbytes), of(x))[1])
    loss_and_gradient(engine, support, targets.chunks(7), RIDGE, half_mse)
    return {name.removeprefix("_"): np.array(noted) for name, noted in sizes.items()}


def left() -> None:
    """What all leave together: a pass by a fault of arithmetic, and one by an error of the first process alone."""
    engine, support, targets = problem(NETWORKS["fc"])
    twice = Support(np.concatenate([support.images[:3]] * 2), support.labels[:6])
    with pytest.raises(NumericalError):
        loss_and_gradient(engine, twice, targets.chunks(6), 0.0, half_mse)

    def fail() -> None:
        raise UserError("no such file")

    with pytest.raises(UserError, match="no such file"):
        collectives.from_first(fail)
    assert collectives.from_first(lambda: {"a": [1, None, "é"]}) == {"a": [1, None, "é"]}
    index, end = collectives.index(), collectives.count() - 1
    # Of other lengths in each, and alone within.
    every = collectives.from_each(lambda: ["é" * 7 * index, index, collectives.count()])
    assert every == [["é" * 7 * number, number, 1] for number in range(end + 1)]
    with pytest.raises(UserError, match="no such file" if index == end else f"process {end} failed: no such file"):
        collectives.from_each(fail if index == end else lambda: None)
    own = (np.arange(3.0) + collectives.index(), np.array([True, False]) if collectives.index() else np.ones(2, bool))
    first = collectives.broadcast(own)
    assert first[0].tolist() == [0.0, 1.0, 2.0]
    assert first[1].tolist() == [True, True]


def _played(name: str, predictions: np.ndarray, labels: np.ndarray) -> LossValue:
    """A loss that comes to grief in one process."""
    kind, _, index = name.partition("-")
    if collectives.index() == int(index):
        match kind:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "raise":
                raise RuntimeError("played by a test")
            case "stick":
                time.sleep(600)
            case "freeze":
                os.kill(os.getpid(), signal.SIGSTOP)
    return half_mse(predictions, labels)


def fail(name: str) -> None:
    """Passes in the midst of which one process comes to grief: `kill-1` kills process 1, `stick-0` sticks process 0."""
    engine, support, targets = problem(NETWORKS["fc"])
    for loss in (half_mse, half_mse, partial(_played, name)):
        loss_and_gradient(engine, support, targets.chunks(7), RIDGE, loss)


def wait(file: Path) -> None:
    """Works until a signal is sent to one of them."""
    engine, support, targets = problem(NETWORKS["fc"])
    while True:
        loss_and_gradient(engine, support, targets.chunks(7), RIDGE, half_mse)
        if collectives.index() == 0:
            file.write_text("here")
        poll("step")


def main(port: str, index: str, count: str, scenario: str, *rest: str) -> int:
    """The exit status."""
    # What is stuck is found in seconds; the first two passes, of which one compiles, take longer.
    watchdog.LEAST_SECONDS = 6.0
    # `other-1` is another command of process 1.
    command = f"{scenario} {index}" if scenario == f"other-{index}" else scenario
    with joined(Processes(f"127.0.0.1:{port}", int(count), int(index)), command):
        match scenario:
            case "same":
                same(Path(*rest), NETWORKS)
            case "short":
                left()
                same(Path(*rest), ["fc"])
            case "wait":
                wait(Path(*rest))
            case _:
                fail(scenario)
    return 0


if __name__ == "__main__":
    cli._dispatch = lambda args: main(*args)
    sys.exit(cli.main())
