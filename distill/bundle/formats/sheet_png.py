"""The contact sheet: one PNG of all images, as the bundle holds it. For looking at; nothing reads it back."""

from pathlib import Path

from kerneldistill.bundle.formats.export_source import ExportSource, ReadBack
from kerneldistill.pipeline.storage.files import write_whole


def write(source: ExportSource, folder: Path) -> tuple[ReadBack, ...]:
    """Write the sheet."""
    write_whole(folder / "support.png", (source.folder / "support.png").read_bytes())
    return ()
