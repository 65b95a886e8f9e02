"""The contact sheet: one PNG of all images, as the bundle holds it. For looking at; nothing reads it back."""

from pathlib import Path

from distill.formats.exported import Copy, Exported
from pipeline.files import write_whole


def write(exported: Exported, folder: Path) -> tuple[Copy, ...]:
    """Writes the sheet."""
    write_whole(folder / "support.png", (exported.folder / "support.png").read_bytes())
    return ()
