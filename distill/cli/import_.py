"""import: read a set that another program published into a bundle.

The comments below are the help texts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from kerneldistill.bundle.formats.registry import what_is_read
from kerneldistill.cli.invocation import Call
from kerneldistill.config.schema import KernelConfig
from kerneldistill.config.settings import flag
from kerneldistill.errors import UserError
from kerneldistill.runtime.text import percent

KERNEL = KernelConfig(network="conv_net", depth=3, prepend=False)


@dataclass(frozen=True)
class ImportArguments:
    """What to import, and how."""

    # A file, or a folder, of another program.
    file: Annotated[Positional[Path], arg(metavar="FILE")]
    # The folder of the bundle to write.
    out: Annotated[Path, arg(metavar="BUNDLE")]
    # Data prepared with the whitening that the images live in; several: the one they predict best is taken.
    prepared: Annotated[tuple[str, ...], arg(metavar="DIR...")]
    # Order of the axes of the images. Default: that which makes 1, 3 or 4 channels.
    layout: Annotated[Literal["NHWC", "NCHW"] | None, arg(help_behavior_hint="")] = None
    # What the images are. whitened: in the space of the prepared data. normalised: by torch's constants. unit: pixels /
    # 255. pixels: 0 to 255. auto: pixels for uint8, normalised for .pt unless the data are in kornia_zca, or whitened.
    space: Literal["auto", "whitened", "normalised", "unit", "pixels"] = "auto"
    # The kernel to evaluate with, by default the 3-conv ConvNet that most published sets were learned with.
    kernel: KernelConfig = KERNEL
    # Ridge of the regression, relative to the mean diagonal of the kernel.
    ridge: float = 1e-6
    # Validation images that decide between several prepared sets.
    evidence: int = 1000
    # Replace a bundle at --out that is of something else.
    overwrite: bool = False


ARGUMENTS = ImportArguments


def execute(call: Call) -> None:
    """Read a set into a bundle and report what it was taken for."""
    job = call.described(formats=what_is_read()).parse(ImportArguments)
    for name, value, allowed in (
        ("prepared", job.prepared, "one folder or more"),
        ("evidence", job.evidence > 0, "1 or more"),
        ("ridge", job.ridge >= 0, "0 or more"),
    ):
        if not value:
            raise UserError(f"{flag(name)} is {getattr(job, name)}, allowed is {allowed}")
    from kerneldistill.runtime.progress import activity

    with activity("starting"):  # jax takes seconds to load
        from kerneldistill.bundle.formats.importer import ImportJob, check_free, import_set
    from kerneldistill.runtime import devices
    from kerneldistill.runtime.console import closing_table, tell

    if not job.overwrite:
        check_free(job.out, job.file)
    devices.setup()
    asked = ImportJob(job.file, job.layout, job.space, job.kernel, job.ridge, job.evidence)
    with activity(f"importing {job.file.name}"):
        origin = import_set(asked, job.prepared, job.out)
    if len(origin.evidence) == 1:
        (only,) = origin.evidence
        tell(f"{origin.file} predicts {percent(only.accuracy)} of {only.images:,} validation images, in {only.whiten}")
    else:
        best = max(origin.evidence, key=lambda each: each.accuracy)
        rows = [(each.whiten, percent(each.accuracy)) for each in origin.evidence]
        title = f"{origin.file} predicts {best.images:,} validation images best in {best.whiten}"
        closing_table(title, ("whitening", "validation accuracy"), rows)
    tell(f"{origin.kind}, {origin.layout}, labels {origin.labels}, images taken as {origin.space}: {job.out}")
