"""Make the tables of the READMEs from the records, between two marks.

    python -m scripts.reproduce.table            # write them
    python -m scripts.reproduce.table --check    # exit with 1 if a README shows anything else

Runs that differ in their seed alone are one row, with the standard deviation between them; of a single run stands the
standard error that the number of test images leaves. How many there are is in parentheses.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kerneldistill.config.coarse import levels_of
from kerneldistill.config.kernel_names import kernel_name
from kerneldistill.config.schema import Config, KrrConfig
from kerneldistill.evaluation.protocols import KRR
from kerneldistill.runtime.console import duration
from kerneldistill.runtime.text import mean_percent, percent
from scripts.reproduce.gaps import beside, figures_cell, gap_notes
from scripts.reproduce.groups import MADE, Group, groups_of, is_trial, random_real, sized_title
from scripts.reproduce.published import published, published_network
from scripts.reproduce.record import FOLDER, Record

ROOT = Path(__file__).parents[2]
END = "<!-- end of the table -->"


def regression_table(groups: Sequence[Group]) -> str:
    """Kernel ridge regression from each set of whole images, the gaps to the paper, and what all sets took."""
    table = _regressions([group for group in groups if not is_trial(group[0])], groups)
    return "\n\n".join(filter(None, [table, gap_notes(groups), hours(groups)]))


def trial_table(groups: Sequence[Group]) -> str:
    """The same from each set of the trials."""
    return _regressions([group for group in groups if is_trial(group[0])], groups)


def _regressions(shown: Sequence[Group], groups: Sequence[Group]) -> str:
    head = "| data | images | how | test accuracy | random real | published | processor time | command |"
    rows = []
    for group in shown:
        first = group[0]
        cells = (
            f"**{_accuracy(group)}**",
            _random(first, groups),
            beside(published(first), [record.test.accuracy for record in group]),
            _cost(group),
            f"`{first.command}`",
        )
        rows.append(f"| {_set(first)} | {' | '.join(cells)} |")
    return _table(head, rows)


def network_table(groups: Sequence[Group]) -> str:
    """Networks trained on each set."""
    head = (
        "| data | images | how | regression | protocol, network | seeds | the set | with one-hot labels | random real "
        "| published | time |"
    )
    rows = []
    for record in (record for group in groups for record in group):
        for judged in record.protocols:
            if judged.protocol != KRR:
                paper = figures_cell(published_network(record))
                learned, real = (mean_percent(each.accuracies) for each in (judged.learned, judged.random_real))
                hard = "" if judged.hard is None else mean_percent(judged.hard.accuracies)
                rows.append(
                    f"| {_set(record)} | {percent(record.test.accuracy)} | {judged.protocol}, {judged.network} | "
                    f"{len(judged.seeds)} | **{learned}** | {hard} | {real} | {paper} | {duration(judged.seconds)} |"
                )
    return _table(head, rows)


def _table(head: str, rows: Sequence[str]) -> str:
    rule = "|---" * (head.count("|") - 1) + "|"
    return "\n".join([head, rule, *rows]) if rows else "No run is on record yet."


def with_table(text: str, mark: str, table: str) -> str:
    """Return a document with the table between the line `mark` and `END`.

    Raises:
      ValueError: it has no such lines.
    """
    before, found, rest = text.partition(mark)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"the document needs the lines {mark} and {END}")
    return f"{before}{mark}\n\n{table}\n\n{END}{after}"


# Each table: its document, the line above it, and what makes it.
TABLES: tuple[tuple[str, str, Callable[[Sequence[Group]], str]], ...] = (
    ("README.md", "<!-- whole images: made by python -m scripts.reproduce.table -->", regression_table),
    ("scripts/README.md", "<!-- networks: made by python -m scripts.reproduce.table -->", network_table),
    ("scripts/README.md", "<!-- trials: made by python -m scripts.reproduce.table -->", trial_table),
)


def documents(folder: Path = FOLDER) -> dict[str, str]:
    """Every document that shows a table, as it must be."""
    groups, texts = groups_of(folder), {name: (ROOT / name).read_text(encoding="utf-8") for name, _, _ in TABLES}
    for name, mark, table in TABLES:
        texts[name] = with_table(texts[name], mark, table(groups))
    return texts


def _set(record: Record) -> str:
    """The first three cells: data, images, how they were made."""
    return f"{sized_title(record, record.settings.data)} | {record.support_size} | {_how(record)}"


def _how(record: Record) -> str:
    config = record.settings
    parts = [kernel_name(config.kernel)] + ["and sampled ones"] * bool(config.kernel.sampled)
    if record.maker:
        return ", ".join([f"released by {record.maker}", *parts, MADE[record.label_mode]])
    parts += [config.data.whiten] * (config.data.whiten != "standard") + [MADE[record.label_mode]]
    if record.label_mode != "label_solve":
        parts += ["cross-entropy"] * (config.loss.name == "cross_entropy")
        parts += ["targets augmented"] * bool(config.augment.names)
        parts += [f"ridge {config.krr.ridge:g}"] * (config.krr.ridge != KrrConfig().ridge)
        parts += ["refitted by cross-entropy"] * (config.support.refit == "cross_entropy")
        parts += _steps(config)
    return ", ".join(parts)


def _steps(config: Config) -> list[str]:
    """The steps of each level, and how it differs from the last."""
    steps, name = config.optim.steps, config.optim.name
    found = [f"{steps} steps of {name}"] * bool(steps or not config.coarse)
    for level in reversed(levels_of(config)):  # what one leaves out is as at the next finer
        steps, name = level.changes.get("optim.steps", steps), level.changes.get("optim.name", name)
        kernel = [f"{key.removeprefix('kernel.')} {value}" for key, value in level.changes.items() if "kernel." in key]
        where = [f"{level.size}x{level.size}"] * (level.size is not None) + kernel
        where += [value for key, value in level.changes.items() if key == "loss.name"]
        found.insert(0, f"{steps} steps of {name}" + (f" ({', '.join(where)})" if where else ""))
    return found


def _accuracy(group: Group) -> str:
    if len(group) > 1:
        return f"{mean_percent([record.test.accuracy for record in group])} ({len(group)})"
    p = group[0].test.accuracy
    return percent(p).replace(" %", f" ± {100 * (p * (1 - p) / group[0].num_test) ** 0.5:.1f} % (1)")


def _random(record: Record, groups: Sequence[Group]) -> str:
    draws = random_real(record, groups)
    return f"{mean_percent(draws)} ({len(draws)})" if draws else ""


def hours(groups: Sequence[Group]) -> str:
    """What the runs of all tables took, and the networks trained on their sets; empty where nothing is known."""
    records = [record for group in groups for record in group]
    made = sum(record.cost.processor_seconds for record in records if record.cost is not None)
    judged = sum(each.seconds for record in records for each in record.protocols if each.protocol != KRR)
    if not made:
        return ""
    return (
        f"The sets of all tables took {made / 3600:.1f} hours of a processor's core, with closing tests and what a row "
        f"goes on from; the networks trained on them {judged / 3600:.1f} hours by the clock."
    )


def _cost(group: Group) -> str:
    costs = [record.cost for record in group]
    known = [cost.processor_seconds for cost in costs if cost is not None]
    if known:
        return duration(sum(known) / len(known))
    curve = group[0].curve
    return f"{duration(curve[-1].processor_seconds)}, learning" if curve else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a document shows anything else")
    args = parser.parse_args()
    stale = [name for name, text in documents().items() if (ROOT / name).read_text(encoding="utf-8") != text]
    for name in stale:
        print(f"{name} {'is not what the records say' if args.check else 'is written anew'}")
        if not args.check:
            (ROOT / name).write_text(documents()[name], encoding="utf-8")
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
