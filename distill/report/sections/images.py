"""The learned images beside what they began as."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from kerneldistill.bundle.contact_sheet import ROWS, SheetContents
from kerneldistill.config.kernel_names import start_name
from kerneldistill.report.document import Block, Moving, Section, Sheet
from kerneldistill.report.number_format import plural
from kerneldistill.report.report_entry import LearnedSet, ReportEntry, held
from kerneldistill.report.sections.common import missing, named


def images(entries: Sequence[ReportEntry]) -> Section:
    """Return the images of every entry."""
    blocks: list[Block] = []
    for number, entry in enumerate(entries):
        learned = held(entry.learned)
        if learned is not None:
            caption = named(entry, entries, _caption(entry, learned))
            blocks.append(Sheet(f"images-{number + 1}", caption, _contents(entry, learned)))
        if entry.evolution is not None:
            blocks.append(
                _moving(f"evolution-{number + 1}", named(entry, entries, "how they evolved"), entry.evolution)
            )
    return Section("Images", "images", [*blocks, *missing(entries, "learned", "the images")])


def _moving(name: str, caption: str, gif: bytes) -> Moving:
    with Image.open(io.BytesIO(gif)) as picture:
        frames = getattr(picture, "n_frames", 1)
        picture.seek(frames - 1)
        buffer = io.BytesIO()
        picture.convert("RGB").save(buffer, "PNG", optimize=True)
    alt = f"The images at {frames} moments of the run, one after the other"
    return Moving(name, f"{caption}, at {frames} moments of the run", alt, gif, buffer.getvalue())


def _caption(entry: ReportEntry, learned: LearnedSet) -> str:
    if learned.label_mode == "label_solve":
        what = "the real images, with the labels that were solved for"
    elif entry.origin is not None:
        what = f"the images of {entry.origin.file}; where they began is not known"
    elif _starts(entry) is None:
        what = (
            f"the learned images after {plural(learned.step, 'step')}; where they began is with the run's prepared data"
        )
    else:
        config = held(entry.config)
        start = "what they began as" if config is None else f"their start, {start_name(config)}"
        what = f"the learned images after {plural(learned.step, 'step')}, below {start}"
    if learned.label_mode != "fixed":
        what += ". Bars: the label of each class, its own class marked, the line is 0"
    per_class = max(map(list(learned.class_ids).count, set(learned.class_ids)))
    if per_class > ROWS:
        what += f". The first {ROWS} of {per_class} images a class"
    return f"{what}. Taken back to pixels through the whitening's inverse"


def _starts(entry: ReportEntry) -> np.ndarray | None:
    """The pixels of what the images began as, where that is known."""
    on_test = held(entry.on_test)
    return on_test.start_pixels if on_test is not None and on_test.knows_start else None


def _contents(entry: ReportEntry, learned: LearnedSet) -> SheetContents:
    moved = learned.label_mode != "label_solve"
    return SheetContents(
        learned=learned.pixels,
        starts=_starts(entry) if moved else None,
        class_ids=learned.class_ids,
        class_names=learned.class_names,
        title=f"{entry.dataset}: {len(learned.images)} images",
        labels=None if learned.label_mode == "fixed" else learned.labels,
        name="real" if learned.label_mode == "label_solve" else "learned" if entry.origin is None else "imported",
    )
