"""Write a bundle in the formats of other programs, and measure what each of them loses."""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from kerneldistill.algorithms.scoring import Score
from kerneldistill.bundle.formats.export_source import ExportSource, ReadBack, together
from kerneldistill.bundle.formats.registry import FORMATS
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import sha256, write_whole
from kerneldistill.pipeline.untrusted.names import below, printable
from kerneldistill.runtime.console import closing_table, tell
from kerneldistill.runtime.text import percent

REPORT = "export.json"


@dataclass(frozen=True)
class FormatLoss:
    """What one way of reading an export gives.

    format: name of the format
    what: the files or columns that are read
    lost: in words; empty if nothing
    as_it_is: images and test images in the space that the other program trains in; None if not measured
    whitened_again: the images taken through the bundle's own whitening again; None if not measured
    """

    format: str
    what: str
    lost: str
    as_it_is: Score | None = None
    whitened_again: Score | None = None


@dataclass(frozen=True)
class ExportReport:
    """What an export loses.

    dataset: name of the source data set
    tests: test images predicted; 0 if nothing was measured
    why_not: why nothing was measured; empty if it was
    before: the bundle itself; None if not measured
    rows: every way of reading every format
    left_out: why a format does not take this set, by its name
    bundle: sha256 of the bundle's manifest
    """

    dataset: str
    tests: int
    why_not: str
    before: Score | None
    rows: tuple[FormatLoss, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    bundle: str = ""


class _NotHeldError(UserError):
    """A format does not take this set."""


def export(
    source: ExportSource,
    names: Sequence[str],
    out: Path,
    tests: int,
    overwrite: bool = False,
    leave_out: bool = False,
) -> ExportReport:
    """Write a bundle in each of the formats `names`, whole or not at all, into a folder of that name in `out`.

    Args:
      source: the bundle.
      names: of the formats.
      out: a folder, made if it is missing.
      tests: test images to measure with; 0 to measure nothing.
      overwrite: replace what another set left there
      leave_out: leave out formats that do not take this set, and say why in the report

    Raises:
      UserError: a format does not take this set and is not left out, or a folder there holds something else.
    """
    if (out / "manifest.json").exists():
        raise UserError(f"{out} is a bundle or a prepared data set, which must hold nothing else: give another --out")
    bundle = sha256(source.folder / "manifest.json")
    if not overwrite:
        _check_free(out, names, bundle)
    out.mkdir(parents=True, exist_ok=True)
    copies, left_out = _written(source, names, out, leave_out)
    report = replace(_measured(source, copies, tests), left_out=left_out, bundle=bundle)
    write_whole(out / REPORT, (json.dumps(asdict(report), indent=2) + "\n").encode())
    return report


def show(report: ExportReport, out: Path) -> None:
    """Print what is lost, and why."""
    header = ("export", "as it is", "whitened again")
    rows = [("the bundle", _percent(report.before), _percent(report.before))]
    rows += [(f"{row.format}: {row.what}", _percent(row.as_it_is), _percent(row.whitened_again)) for row in report.rows]
    how = f"test accuracy by kernel ridge regression, {report.tests:,} test images"
    title = f"{report.dataset}: {how if report.tests else f'accuracy is not measured, {report.why_not}'}"
    closing_table(title, header, rows)
    for lost in dict.fromkeys(row.lost for row in report.rows):
        names = ", ".join(dict.fromkeys(_name(row, report.rows) for row in report.rows if row.lost == lost))
        print(f"{names}: {f'lost: {lost}' if lost else 'nothing is lost'}")
    for name, reason in report.left_out.items():
        print(f"{name}: left out: {reason}")
    tell(f"exported to {out}; the same figures are in {out / REPORT}")


def _name(row: FormatLoss, rows: Sequence[FormatLoss]) -> str:
    """Name a format; where its ways of reading lose different things, the way, too."""
    losses = {other.lost for other in rows if other.format == row.format}
    return row.format if len(losses) == 1 else f"{row.format} {row.what}"


def _check_free(out: Path, names: Sequence[str], bundle: str) -> None:
    """Refuse formats that another set has filled; those that collect sets take another one."""
    filled = [
        name for name in names if not FORMATS[name].grows and (out / name).is_dir() and any((out / name).iterdir())
    ]
    if not filled:
        return
    try:
        before = json.loads((out / REPORT).read_bytes()).get("bundle")
    except (OSError, ValueError, AttributeError):
        before = None
    if before != bundle:
        raise UserError(
            f"{out / filled[0]} holds the export of another set: give another --out, or --overwrite to replace it"
        )


def _written(
    source: ExportSource, names: Sequence[str], out: Path, leave_out: bool
) -> tuple[dict[str, tuple[ReadBack, ...]], dict[str, str]]:
    """Write the formats; return how each is read back, and why others are left out."""
    copies, left_out = {}, {}
    for name in names:
        try:
            copies[name] = _write(source, name, out)
        except _NotHeldError as error:
            if not leave_out:
                raise
            left_out[name] = str(error)
    return copies, left_out


def _write(source: ExportSource, name: str, out: Path) -> tuple[ReadBack, ...]:
    """Write one format aside, then put it in its place."""
    target, kind = out / name, FORMATS[name]
    with tempfile.TemporaryDirectory(dir=out, prefix=f".{name}-") as scratch:
        staging = Path(scratch, name)
        staging.mkdir()
        for grown in kind.grows:
            if (target / grown).is_file():
                (staging / grown).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(target / grown, staging / grown)
        try:
            copies = kind.writer.write(source, staging)
        except UserError as error:
            raise _NotHeldError(str(error)) from error
        written = {path.relative_to(staging) for path in staging.rglob("*") if path.is_file()}
        there = {path.relative_to(target) for path in target.rglob("*") if path.is_file()}
        foreign = sorted(there - written)
        if foreign and not kind.grows:
            raise UserError(
                f"{target} holds {printable(str(foreign[0]))}, which is not of this export: remove the folder, or give "
                "another --out"
            )
        for path in sorted(written):
            (staging / path).replace(below(out, name, path.as_posix()))
    return copies


def _measured(source: ExportSource, copies: dict[str, tuple[ReadBack, ...]], tests: int) -> ExportReport:
    mirrored = "mirror images, which the regression adds, are not in the files" if source.bundle.manifest.flip else ""
    ways = [(name, way) for name, made in copies.items() for way in made]
    rows = [FormatLoss(name, way.what, together(way.lost, mirrored)) for name, way in ways]
    name = source.bundle.manifest.dataset
    if source.prepared is None or not tests:
        why = "--tests is 0" if source.prepared else "the data are not at hand: give them with --prepared DIR"
        return ExportReport(name, 0, why, None, tuple(rows))
    from kerneldistill.bundle.formats.export_loss import LossMeter

    meter = LossMeter(source.bundle, source.prepared, tests)
    before = meter.before()
    measured = [
        FormatLoss(row.format, row.what, row.lost, *meter.scores(way)) for row, (_, way) in zip(rows, ways, strict=True)
    ]
    return ExportReport(name, meter.count, "", before, tuple(measured))


def _percent(score: Score | None) -> str:
    return "-" if score is None else percent(score.accuracy)
