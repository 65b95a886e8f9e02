"""The learned images beside the real ones they began as."""

from collections.abc import Sequence

from kerneldistill.bundle.contact_sheet import ROWS, SheetContents
from kerneldistill.report.document import Block, Section, Sheet
from kerneldistill.report.number_format import plural
from kerneldistill.report.sections.common import missing, named
from kerneldistill.report.subject import LearnedSet, Subject, held


def images(subjects: Sequence[Subject]) -> Section:
    """The images of every subject."""
    blocks: list[Block] = []
    for number, subject in enumerate(subjects):
        learned = held(subject.learned)
        if learned is not None:
            caption = named(subject, subjects, _caption(subject, learned))
            blocks.append(Sheet(f"images-{number + 1}", caption, _contents(subject, learned)))
    return Section("Images", "images", [*blocks, *missing(subjects, "learned", "the images")])


def _caption(subject: Subject, learned: LearnedSet) -> str:
    if learned.label_mode == "label_solve":
        what = "the real images, with the labels that were solved for"
    elif subject.origin is not None:
        what = f"the images of {subject.origin.file}; where they began is not known"
    elif held(subject.on_test) is None:
        what = (
            f"the learned images after {plural(learned.step, 'step')}; where they began is with the run's prepared data"
        )
    else:
        what = f"the learned images after {plural(learned.step, 'step')}, below the real ones they began as"
    if learned.label_mode != "fixed":
        what += ". Bars: the label of each class, its own class marked, the line is 0"
    per_class = max(map(list(learned.class_ids).count, set(learned.class_ids)))
    if per_class > ROWS:
        what += f". The first {ROWS} of {per_class} images a class"
    return f"{what}. Taken back to pixels through the whitening's inverse"


def _contents(subject: Subject, learned: LearnedSet) -> SheetContents:
    on_test = held(subject.on_test)
    return SheetContents(
        learned=learned.pixels,
        starts=None if on_test is None or learned.label_mode == "label_solve" else on_test.start_pixels,
        class_ids=learned.class_ids,
        class_names=learned.class_names,
        title=f"{subject.dataset}: {len(learned.images)} images",
        labels=None if learned.label_mode == "fixed" else learned.labels,
        name="real" if learned.label_mode == "label_solve" else "learned" if subject.origin is None else "imported",
    )
