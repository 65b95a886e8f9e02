"""The contact sheet: one PNG of all images, as the bundle holds it. For looking at; nothing reads it back."""

from pathlib import Path

from kerneldistill.bundle.formats.export_source import Copy, Exported
from kerneldistill.pipeline.storage.files import write_whole


def write(exported: Exported, folder: Path) -> tuple[Copy, ...]:
    """Writes the sheet."""
    write_whole(folder / "support.png", (exported.folder / "support.png").read_bytes())
    return ()
