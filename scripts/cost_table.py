"""Compare runs by what their accuracy cost: the records of `python -m scripts.record DIR --out FOLDER`, as a table.

    python -m scripts.cost_table scripts/results/cost/cifar10-16

Costs are those of the best score so far on validation: kernel entries and processor time, with validation included,
from the first step of the first level on. An entry of a coarser level counts as one, though it costs less.
"""

import argparse
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from kerneldistill.runs.planning.precedent import Point, Precedent
from kerneldistill.runtime.console import duration
from kerneldistill.runtime.text import percent


def records_in(folder: Path) -> dict[str, Precedent]:
    """All records of a comparison, by name."""
    return {file.stem: Precedent.load(file) for file in sorted(folder.glob("*.json"))}


def to_reach(record: Precedent, mse: float) -> Point | None:
    """The first score whose mse is at most `mse`; None if there is none."""
    return next((point for point in record.curve if point.mse <= mse), None)


def best(record: Precedent, wanted: Callable[[Point], bool]) -> Point | None:
    """The least mse of the scores that are wanted."""
    return min(filter(wanted, record.curve), key=lambda point: point.mse, default=None)


def row(name: str, record: Precedent, mse: float) -> str:
    """A line of the table."""
    reached = to_reach(record, mse)
    cost = "-" if reached is None else f"{reached.entries:,}, {duration(reached.processor_seconds)}"
    newest, mean = (best(record, lambda point, of=of: point.averaged == of) for of in (False, True))
    ends = " / ".join(f"{point.mse:.5f}" for point in (newest, mean) if point is not None)
    end = record.curve[-1]
    spent = f"{end.entries:,}, {duration(end.processor_seconds)}"
    return f"| {name} | {cost} | {ends} | {spent} | {percent(record.test_accuracy)} |"


def table(records: dict[str, Precedent], mse: float | None) -> str:
    """All records of one setting. mse: to be reached; None: the best that a run of adam has."""
    adams = [record for record in records.values() if record.config["optim"]["name"] == "adam"]
    if mse is None:
        mse = min(point.mse for record in adams or list(records.values()) for point in record.curve)
    head = f"| run | entries and processor time to {mse:.5f} | least mse, newest / mean | in all | test |"
    return "\n".join([head, "|---|---|---|---|---|", *(row(name, record, mse) for name, record in records.items())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder of the records")
    parser.add_argument("--mse", type=float, help="the mse on validation to be reached; default: the best of adam")
    args = parser.parse_args()
    found = records_in(args.folder)
    for data, names in groupby(
        sorted(found, key=lambda n: found[n].data_fingerprint), lambda n: found[n].data_fingerprint
    ):
        own = {name: found[name] for name in names}
        print(f"\n{next(iter(own.values())).where}, data {data[:8]}\n\n{table(own, args.mse)}")


if __name__ == "__main__":
    main()
