"""Write the index of a sweep: one row a run, first KIP's kip.csv columns, then ours.

kip.csv (the index of the sets that Google released with 2107.13034): architecture, dataset, ssize, zca, l (labels
learned), aug, ckpt (step), test_acc (0..1), test_mse (half the mean square), URL. Here URL is the .npz file of the set,
relative to the index.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kerneldistill.algorithms.power_law import PowerLaw
from kerneldistill.config.kernel_names import architecture_name
from kerneldistill.config.schema import Config
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.runs.sweep.directories import Place

INDEX = "index.csv"
KIP_COLUMNS = ("architecture", "dataset", "ssize", "zca", "l", "aug", "ckpt", "test_acc", "test_mse", "URL")
OUR_COLUMNS = (
    *("run", "command", "status", "reason", "whiten", "start_acc", "random_acc", "random_acc_std", "random_mse"),
    *("validation_acc", "validation_mse"),
    # Exponents of the eigenvalues of the kernel by their index, with intervals: of the set, and of one of the random.
    *("spectrum", "spectrum_low", "spectrum_high", "random_spectrum", "random_spectrum_low", "random_spectrum_high"),
)


def write_index(places: Sequence[Place], reasons: Mapping[str, str], folder: Path) -> None:
    """Write the index, atomically; `reasons` maps the runs that failed to why."""
    text = io.StringIO()
    writer = csv.DictWriter(text, (*KIP_COLUMNS, *OUR_COLUMNS), restval="", lineterminator="\n")
    writer.writeheader()
    for place in places:
        writer.writerow(_row(place, reasons.get(place.rundir.path.name, ""), folder))
    write_whole(folder / INDEX, text.getvalue().encode())


def _row(place: Place, reason: str, folder: Path) -> dict[str, object]:
    config, results = place.case.config, place.results
    row: dict[str, object] = {
        **_settings(config),
        "run": place.rundir.path.name,
        "command": place.case.command,
        "status": "failed" if reason else place.status,
        "reason": reason,
    }
    if place.case.command == "label-solve":
        row["l"] = False  # as in KIP's ls.csv: solved for, not learned
    if results is None:
        return row
    row |= {
        "ckpt": results.step,
        "test_acc": results.learned.accuracy,
        "test_mse": results.learned.mse,
        "URL": (place.rundir.bundle / "support.npz").relative_to(folder).as_posix(),
        "start_acc": results.start.accuracy,
        **_spectrum("spectrum", results.learned.spectrum),
    }
    if results.random_real:
        accuracies = np.array([measured.accuracy for measured in results.random_real])
        row |= {"random_acc": float(accuracies.mean()), "random_acc_std": float(accuracies.std())}
        row |= _spectrum("random_spectrum", results.random_real[0].spectrum)
        row["random_mse"] = float(np.mean([measured.mse for measured in results.random_real]))
    if results.validation is not None:
        row |= {"validation_acc": results.validation.accuracy, "validation_mse": results.validation.mse}
    return row


def _spectrum(name: str, law: PowerLaw | None) -> dict[str, object]:
    return {} if law is None else {name: law.exponent, f"{name}_low": law.low, f"{name}_high": law.high}


def _settings(config: Config) -> dict[str, object]:
    return {
        "architecture": architecture_name(config.kernel),
        "dataset": config.data.name,
        "ssize": config.support.size,
        "zca": config.data.whiten.endswith("zca"),
        "l": config.support.learn_labels,
        "aug": bool(config.augment.names),
        "whiten": config.data.whiten,
    }
