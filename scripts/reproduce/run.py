"""Run rows of a table, and keep what they gave as records.

    python -m scripts.reproduce.run digits                                   # every row of digits.toml
    python -m scripts.reproduce.run cifar10-1 learned --data-dir ~/tensorflow_datasets
    python -m scripts.reproduce.run cifar10-16 fixed --protocol kip-quick --networks kip-convnet-w32

A row is a case of a sweep file, in a run directory runs/reproduce/TABLE/ROW: what is done is not done again, and the
same command resumes what was interrupted. A protocol's networks are kept there, too.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from kerneldistill.config.presets import PRESETS
from kerneldistill.errors import UserError
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning.precedent import same_numbers
from kerneldistill.runs.sweep.cases import Case, cases_of
from kerneldistill.runs.sweep.directories import Place
from kerneldistill.runs.sweep.subprocesses import run_case
from kerneldistill.runtime.console import duration, tell
from kerneldistill.runtime.text import percent
from scripts.reproduce.judging import evaluate
from scripts.reproduce.record import FOLDER, Cost, record_of

TABLES = Path(__file__).parent
# In a run directory: what each session of the row took, one JSON line each.
COSTS = "costs.jsonl"


@contextmanager
def costs_recorded(rundir: RunDir) -> Iterator[None]:
    """Add what the child processes of the block take to the run directory."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        yield
    finally:
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
        rundir.path.mkdir(parents=True, exist_ok=True)
        with (rundir.path / COSTS).open("a") as file:
            cost = Cost(time.monotonic() - began, processor, 1024 * after.ru_maxrss)
            file.write(json.dumps(cost) + "\n")


def cost_of(rundir: RunDir) -> Cost | None:
    """What all sessions of a row took; None for a run that was started otherwise."""
    if not (rundir.path / COSTS).exists():
        return None
    sessions = [json.loads(line) for line in (rundir.path / COSTS).read_text().splitlines()]
    seconds, processor, peak = zip(*sessions, strict=True)
    return Cost(sum(seconds), sum(processor), max(peak))


def command_of(table: str, case: Case) -> str:
    """What a reader types for a row: the preset where that is all, else this program."""
    config, data = case.config, "" if case.config.data.dir is None else " --data.dir DIR"
    preset = PRESETS[case.preset]
    if config.seed == preset.seed and same_numbers(
        config, replace(preset, data=replace(preset.data, dir=config.data.dir))
    ):
        return f"kdistill {case.command} {case.preset}{data}"
    return f"python -m scripts.reproduce.run {table} {case.name}{data.replace('data.dir', 'data-dir')}"


def run_row(case: Case, table: str, args: argparse.Namespace) -> None:
    """Run a row as far as it is not done, judge it, and keep its record.

    Raises:
      UserError: it failed.
      KeyboardInterrupt: after the current run has saved.
    """
    place = Place(case, RunDir(args.runs / table / case.name))
    # A setting that a run that is done may still take, such as support.refit, makes it go on.
    if place.status != "done" or place.rundir.config() != case.config:
        with costs_recorded(place.rundir):
            end = run_case(place)
        if end.status:
            raise UserError(f"{place.rundir.path}: {end.reason}")
    if args.protocol and evaluate(place.rundir.path, args.protocol, args.seeds, args.networks):
        raise UserError(f"{place.rundir.path} was not judged, for the reason told above")
    found = record_of(place.rundir, command_of(table, case), cost_of(place.rundir))
    found.save(args.records / table / f"{case.name}.json")
    spent = "" if found.cost is None else f", {duration(found.cost.processor_seconds)} of processor time"
    tell(f"{table} {case.name}: test accuracy {percent(found.test.accuracy)}{spent}")


def rows_of(table: str, names: Sequence[str], data_dir: Path | None) -> list[Case]:
    """The rows of a table that are asked for; all of them if no name is.

    Raises:
      UserError: there is no such table or row.
    """
    cases = {case.name: case for case in cases_of(TABLES / f"{table}.toml")}
    if unknown := [name for name in names if name not in cases]:
        raise UserError(f"{table} has no row {unknown[0]!r}, allowed are: {', '.join(cases)}")
    chosen = [cases[name] for name in names or cases]
    return [case if data_dir is None else _with_data(case, data_dir) for case in chosen]


def _with_data(case: Case, folder: Path) -> Case:
    data = case.config.data
    return case if data.dir is None else replace(case, config=replace(case.config, data=replace(data, dir=str(folder))))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", help="a file of scripts/reproduce, without its .toml")
    parser.add_argument("rows", nargs="*", help="names of cases; default: all")
    parser.add_argument("--data-dir", type=Path, help="the folder of the data; default: that in the file")
    parser.add_argument(
        "--protocol", nargs="*", default=(), help="judge the sets by these, too; kdistill evaluate says which"
    )
    parser.add_argument("--networks", nargs="*", default=(), help="of the protocols, in place of their own")
    parser.add_argument("--seeds", type=int, default=5, help="networks of each figure of a protocol")
    parser.add_argument("--runs", type=Path, default=Path("runs", "reproduce"), help="where the run directories go")
    parser.add_argument("--records", type=Path, default=FOLDER, help="where the records go")
    args = parser.parse_args()
    try:
        for case in rows_of(args.table, args.rows, args.data_dir):
            run_row(case, args.table, args)
    except UserError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
