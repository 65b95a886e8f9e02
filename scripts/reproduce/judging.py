"""Judge a set by `kdistill evaluate`, in a process of its own, and read what was found."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from kerneldistill.evaluation.protocol_result import ProtocolResult
from kerneldistill.runs.evaluation_targets import evaluation_folder
from kerneldistill.runs.protocol_evaluation import PROTOCOLS_FILE, stored_protocols
from kerneldistill.runs.results import Measured


def evaluate(folder: Path, protocols: Sequence[str], seeds: int, networks: Sequence[str] = (), *more: str) -> int:
    """Judge a run or a bundle; what is finished is not done again. Returns the exit status.

    networks: of the protocols; none: their own
    more: flags of `kdistill evaluate`
    """
    command = [sys.executable, "-m", "kerneldistill", "evaluate", str(folder), "--protocol", *protocols]
    command += ["--seeds", str(seeds), *(["--networks", *networks] if networks else []), *more]
    return subprocess.run(command, check=False).returncode


def found_of(bundle: Path) -> tuple[ProtocolResult, ...]:
    """What `evaluate` has found of a bundle."""
    return stored_protocols(evaluation_folder(bundle) / PROTOCOLS_FILE)


def real_of(krr: ProtocolResult) -> tuple[Measured, ...]:
    """The draws of random real images beside a set that was judged by kernel ridge regression."""
    return tuple(Measured(score.accuracy, score.mse or 0.0) for score in krr.random_real.scores)
