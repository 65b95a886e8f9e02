"""KIP's release: an .npz by a name that says what it is, and a row of an index.

    kip/DATASET/ARCHITECTURE_ssizeN_{zca|nozca}_{l|nol}_{aug|noaug}_ckptSTEP.npz    and kip/kip.csv
    ls/DATASET/ARCHITECTURE_ssizeN_{zca|nozca}.npz                                  and ls/ls.csv, without `aug`

Images NHWC, channels standardised and, with zca, whitened by KIP's ZCA; labels [n, k] centred one-hot or as learned.
(google-research/kip, dataset.ipynb and nn_training.ipynb; the architectures there are ConvNet, which has the prepended
convolution, and ConvNet3, which has not.) `URL` in the index is the path from its folder's parent.
"""

import csv
import io
from pathlib import Path

import numpy as np

from kerneldistill.bundle.formats import npz_sets
from kerneldistill.bundle.formats.export_source import ExportSource, ReadBack
from kerneldistill.config.kernel_names import architecture_name
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.pipeline.untrusted.file import read_bounded
from kerneldistill.pipeline.untrusted.names import below
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.pipeline.whitening.whitening import whitening_of
from kerneldistill.runtime.escapes import csv_cell

_COLUMNS = ("architecture", "dataset", "ssize", "zca", "l", "aug", "ckpt", "test_acc", "test_mse", "URL")


def write(source: ExportSource, folder: Path) -> tuple[ReadBack, ...]:
    """Write the .npz and its row of the index, in the place of an older one of the same name."""
    # KIP knows its own ZCA and standardised channels; a set of another space is normalised.
    whitener = source.bundle.whitener
    space = whitener if "kip" in whitening_of(whitener.kind).used_by else source.normalised
    row = _row(source, space)
    path = below(folder, row["URL"])
    write_npz(source, space, path)
    table = "ls" if source.bundle.manifest.label_mode == "label_solve" else "kip"
    index = folder / table / f"{table}.csv"
    write_whole(index, _with_row(index, row).encode())
    return (ReadBack(path.name, npz_sets.read(path), space, source.lost_space(space)),)


def write_npz(source: ExportSource, space: Whitener, path: Path) -> None:
    """Write the .npz alone; numpy dates its members 1980, so equal sets give equal bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, images=source.images_in(space), labels=source.bundle.labels)
    write_whole(path, buffer.getvalue())


def is_zca(space: Whitener) -> bool:
    """Return whether a space is KIP's ZCA."""
    whitening = whitening_of(space.kind)
    return whitening.is_zca and "kip" in whitening.used_by


def _row(source: ExportSource, space: Whitener) -> dict[str, str]:
    """Return a row of the index, by column."""
    manifest = source.bundle.manifest
    solved, zca = manifest.label_mode == "label_solve", is_zca(space)
    learned, augmented = manifest.label_mode == "learned", manifest.augmented
    name = f"{architecture_name(manifest.kernel)}_ssize{manifest.support_size}_{'zca' if zca else 'nozca'}"
    if not solved:
        name += f"_{'l' if learned else 'nol'}_{'aug' if augmented else 'noaug'}_ckpt{manifest.step}"
    measured = source.bundle.results.get("learned", {})
    row = {
        "architecture": architecture_name(manifest.kernel),
        "dataset": manifest.dataset,
        "ssize": str(manifest.support_size),
        "zca": str(zca),
        "l": str(learned),
        "aug": str(augmented),
        "ckpt": str(manifest.step),
        "test_acc": _figure(measured.get("accuracy")),
        "test_mse": _figure(measured.get("mse")),
        "URL": f"{'ls' if solved else 'kip'}/{source.file_name}/{name}.npz",
    }
    return {column: row[column] for column in _COLUMNS if not (solved and column == "aug")}


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _with_row(index: Path, row: dict[str, str]) -> str:
    """Add a row to the index, in the place of that of the same URL."""
    rows = list(csv.DictReader(io.StringIO(read_bounded(index).decode(errors="replace")))) if index.exists() else []
    rows = [*(old for old in rows if old.get("URL") != row["URL"]), row]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(row), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: csv_cell(value) for key, value in old.items() if key in row and value} for old in rows)
    return text.getvalue()
