"""Put the set of a run into the zoo: packed, measured as packed on the whole test set, with a card.

    python -m scripts.reproduce.zoo NAME runs/reproduce/TABLE/ROW --record scripts/reproduce/records/TABLE/ROW.json

Commit the two files that it writes.
"""

import argparse
import json
import tempfile
from pathlib import Path

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.scoring import Score, evaluate
from kerneldistill.algorithms.support import regressed
from kerneldistill.algorithms.targets import Targets
from kerneldistill.bundle.reader import read_bundle
from kerneldistill.evaluation.protocols import KRR
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.evaluation_targets import of_bundle
from kerneldistill.runs.results import Results
from kerneldistill.runtime import devices
from kerneldistill.runtime.console import duration, tell
from kerneldistill.runtime.text import mean_percent, percent
from kerneldistill.zoo.packed import pack, unpack
from kerneldistill.zoo.store import FOLDER
from scripts.reproduce.groups import groups_of, random_real, title_of
from scripts.reproduce.record import FOLDER as RECORDS
from scripts.reproduce.record import Record, record_of


def measured(bundle: Path, prepared: str) -> Score:
    """Score a bundle on the test split of prepared data, whitened by the bundle's own transform."""
    target = of_bundle(bundle, prepared, rewhiten=True)
    engine = engine_of(target.kernel, target.image_shape)
    support = target.support._replace(images=target.support.images.astype(engine.dtype))
    return evaluate(
        engine, regressed(support, target.flip), Targets(engine, target.test, target.num_classes), target.ridge
    )


def networks(record: Record) -> str:
    """A line for each protocol by which networks were trained on the set."""
    lines = (
        f"- **Networks** trained on it ({each.protocol}, {each.network}, {len(each.seeds)} seeds): "
        f"{mean_percent(each.learned.accuracies)}; on random real images {mean_percent(each.random_real.accuracies)}.\n"
        for each in record.protocols
        if each.protocol != KRR
    )
    return "".join(lines)


def card(name: str, record: Record, accuracy: float, licence: str, size: int) -> str:
    """What a reader should know of a set before using it."""
    config, cost = record.settings, record.cost
    seconds = record.curve[-1].processor_seconds if cost is None else cost.processor_seconds
    draws = random_real(record, groups_of(RECORDS)) or [each.accuracy for each in record.random_real]
    real = f"{mean_percent(draws)} (draws: {len(draws)})" if draws else "not measured"
    return f"""# {name}

{record.support_size} images learned from {title_of(record)}, whitened by `{config.data.whiten}`, {size / 1000:.0f} kB.

- **Test accuracy** of kernel ridge regression ({config.kernel.network} of depth {config.kernel.depth}, \
{config.kernel.get}, ridge {config.krr.ridge:g}) on {record.num_test:,} test images: **{percent(accuracy)}** as packed \
here, {percent(record.test.accuracy)} before. Random real images of the same number: {real}.
- **Made by** `{record.command}`, labels {record.label_mode}, seed {config.seed}, chosen on validation images; \
{duration(seconds)} of processor time, devices: {record.environment.device_count} ({record.environment.backend}), \
{record.entries:,} kernel entries.
{networks(record)}\
- **Packed**: images in half precision; of the whitening's matrix the part that matters.
- **Licence of the data**: {licence}.

```python
import kerneldistill as kd

distilled = kd.zoo.load("{name}")
```
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="such as cifar10-1ipc")
    parser.add_argument("run", type=Path, help="the directory of a finished run")
    parser.add_argument("--record", type=Path, help="its record; default: made of the run, without its whole cost")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where the two files go")
    args = parser.parse_args()
    devices.setup()
    rundir = RunDir(args.run)
    record = (
        record_of(rundir, f"kdistill run --config {args.run.name}.toml", None)
        if args.record is None
        else (Record.load(args.record))
    )
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / f"{args.name}.npz"
    results = json.loads(Results.load(rundir.results_file).to_json())
    pack(rundir.bundle, file, results)
    with tempfile.TemporaryDirectory() as scratch:
        unpack(file, Path(scratch, args.name))
        score = measured(Path(scratch, args.name), str(rundir.prepared))
    kept = {"learned": {"accuracy": score.accuracy, "mse": score.mse}, "num_test": record.num_test}
    pack(rundir.bundle, file, kept)
    licence = read_bundle(rundir.bundle).manifest.licence
    text = card(args.name, record, score.accuracy, licence, file.stat().st_size)
    write_whole(file.with_suffix(".md"), text.encode())
    tell(f"{file}: {file.stat().st_size:,} bytes, {percent(score.accuracy)} as packed")


if __name__ == "__main__":
    main()
