"""Draw the learning curves of all committed records on one page: what is reached, over kernel entries and over minutes.

    python -m scripts.curves                              # writes scripts/results/curves.html

A section is a comparison in `scripts/results/cost`, or a table of `scripts/reproduce`. A score is that of the newest
set or of the mean of the sets, whichever has the lower mse on validation. Entries of coarser levels count as one, too,
though they cost less; minutes are of processor time, from the first step on, with validation.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kerneldistill.config.toml import config_from_table
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.report.charts import Line, Scales, line_chart
from kerneldistill.report.document import Beside, Document, Section
from kerneldistill.report.html import html
from kerneldistill.runs.planning.precedent import Point
from kerneldistill.runtime.environment import code_version
from scripts.cost_table import records_in
from scripts.reproduce.groups import sized_title
from scripts.reproduce.record import FOLDER, Record

RESULTS = Path(__file__).parent / "results"

# What is drawn in the first colour.
RECIPE = "recipe"

# Curves by the name of what was run; those of other seeds end with -1, -2, ...
Curves = Mapping[str, Sequence[Point]]


def better(curve: Sequence[Point]) -> list[Point]:
    """One score a step: the newest set's or the mean's, whichever has the lower mse."""
    found: dict[int, Point] = {}
    for point in curve:
        if point.step not in found or point.mse < found[point.step].mse:
            found[point.step] = point
    return list(found.values())


def lines(curves: Curves, minutes: bool) -> list[Line]:
    """A line a run: other seeds dashed in the colour of the first, and in grey the settings of adam that lost."""
    kinds, losers = dict.fromkeys(map(kind_of, curves)), lost(curves)
    kept = sorted((kind for kind in kinds if kind not in losers), key=lambda kind: kind != RECIPE)
    drawn = []
    for name, curve in curves.items():
        points, kind = better(curve), kind_of(name)
        x = np.array([point.processor_seconds / 60 if minutes else point.entries / 1000 for point in points])
        y = np.array([point.accuracy for point in points])
        run = kept.index(kind) if kind in kept else None
        label, dashed = name if run is not None and name == kind else "", run is None or name != kind
        drawn.append(Line(label, x, y, run, dashed=dashed, dots=len(points) == 1))
    return drawn


def kind_of(name: str) -> str:
    """What a run is one seed of."""
    kind, _, seed = name.rpartition("-")
    return kind if kind and len(seed) == 1 and seed.isdigit() else name


def lost(curves: Curves) -> set[str]:
    """The settings of adam but the one that came furthest."""
    least = {name: min(point.mse for point in curve) for name, curve in curves.items() if name.startswith("adam-")}
    return {kind_of(name) for name in least} - {kind_of(min(least, key=least.__getitem__))} if least else set()


def section(anchor: str, title: str, curves: Curves) -> Section:
    """Both charts of some runs, side by side."""
    charts = [
        line_chart(
            f"{anchor}-{'minutes' if minutes else 'entries'}",
            "By processor time" if minutes else "By kernel entries",
            lines(curves, minutes),
            Scales("minutes of processor time" if minutes else "thousands of entries", "validation", percent=True),
        )
        for minutes in (False, True)
    ]
    return Section(title, anchor, [Beside(charts)])


def sections() -> list[Section]:
    """Every comparison and every table that has curves."""
    found = []
    for folder in sorted(path for path in (RESULTS / "cost").iterdir() if path.is_dir()):
        costs = records_in(folder)
        first = next(iter(costs.values()))
        config = config_from_table(first.config, first.dataset)
        title = f"Ways to learn {sized_title(first, config.data)}, {config.support.size} images"
        curves = {name: record.curve for name, record in costs.items()}
        found.append(section(f"cost-{folder.name}", title, curves))
    for folder in sorted(FOLDER.iterdir()):
        records = {file.stem: Record.load(file) for file in sorted(folder.glob("*.json"))}
        drawn = [record for record in records.values() if record.curve]
        curves = {name: record.curve for name, record in records.items() if record.curve}
        if drawn:
            data = dict.fromkeys(sized_title(record, record.settings.data) for record in drawn)
            title = f"The published tables, {folder.name}: {'; '.join(data)}, {drawn[0].support_size} images"
            found.append(section(f"table-{folder.name}", title, curves))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS / "curves.html", help="the page")
    args = parser.parse_args()
    lead = (
        "Accuracy of kernel ridge regression on validation images, of every run on record. Dashed in a colour: other "
        "seeds; in grey: the settings of adam that lost to the one that is named."
    )
    document = Document("What was reached, and when", lead, sections(), f"kerneldistill {code_version()}")
    write_whole(args.out, html(document).encode())
    print(args.out)


if __name__ == "__main__":
    main()
