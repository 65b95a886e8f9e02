"""Judge sets that others published by the same code, and keep what they give as records.

    python -m scripts.reproduce.released rfad-1 best.npz --from RFAD --prepared runs/cifar10-convnet-1/prepared

The file becomes a bundle, by `kdistill import`; then networks are trained on it, and it is regressed from, as with the
sets learned here. The kernel and the ridge are those that RFAD's code evaluates by: the NNGP of a ConvNet of three
blocks, 5e-3 of the mean diagonal (yolky/RFAD, eval_distilled_set.py).
"""

import argparse
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

from kerneldistill.bundle.reader import Bundle, read_bundle
from kerneldistill.config.schema import Config, KrrConfig, SupportConfig
from kerneldistill.config.toml import config_to_toml
from kerneldistill.evaluation.protocol_result import ProtocolResult
from kerneldistill.evaluation.protocols import KRR
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.runs.results import Measured
from kerneldistill.runtime import environment
from scripts.reproduce.judging import evaluate, found_of, real_of
from scripts.reproduce.record import FOLDER, Record

TABLE = "released"
KERNEL = ("--kernel.network", "conv_net", "--kernel.depth", "3", "--kernel.no-prepend", "--kernel.get", "nngp")
RIDGE = "5e-3"


def record_of_bundle(bundle: Bundle, source: Manifest, protocols: tuple[ProtocolResult, ...], maker: str) -> Record:
    """Make the record of an imported set that was judged.

    Args:
      bundle: the set
      source: of the prepared data that it was judged on
      protocols: what was found, `krr` among them: the first is that of the bundle's own kernel
      maker: whose set it is
    """
    krr = next(result for result in protocols if result.protocol == KRR)
    made = bundle.manifest
    assert made.origin is not None
    config = Config(
        data=replace(source.config, dir=None),
        kernel=made.kernel,
        support=SupportConfig(size=made.support_size, learn_labels=made.label_mode == "learned"),
        krr=KrrConfig(ridge=made.ridge),
    )
    (score,) = krr.learned.scores
    return Record(
        command=f"python -m scripts.reproduce.released NAME {made.origin.file} --from {maker} --prepared DIR",
        config=tomllib.loads(config_to_toml(config)),
        dataset=f"{source.name} {source.version}",
        data_fingerprint=source.fingerprint,
        environment=environment.current(),
        label_mode=made.label_mode,
        support_size=made.support_size,
        num_test=krr.num_test,
        test=Measured(score.accuracy, score.mse or 0.0),
        start=None,
        random_real=real_of(krr),
        cost=None,
        entries=0,
        protocols=protocols,
        maker=maker,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the record")
    parser.add_argument("file", type=Path, help="the file that was published")
    parser.add_argument("--from", dest="maker", required=True, help="whose set it is, for the tables")
    parser.add_argument("--prepared", required=True, help="data prepared with the whitening it lives in")
    parser.add_argument("--protocol", nargs="*", default=["kip-quick", "dc"], help="beside krr")
    parser.add_argument("--seeds", type=int, default=5, help="networks of each figure")
    parser.add_argument("--runs", type=Path, default=Path("runs", "reproduce"), help="where the bundles go")
    parser.add_argument("--records", type=Path, default=FOLDER, help="where the records go")
    args = parser.parse_args()
    folder = args.runs / TABLE / args.name
    given = ("--prepared", args.prepared)
    command = [sys.executable, "-m", "kerneldistill", "import", str(args.file), "--out", str(folder), *given]
    if status := subprocess.run([*command, "--ridge", RIDGE, *KERNEL], check=False).returncode:
        return status
    if status := evaluate(folder, (KRR, *args.protocol), args.seeds, (), *given):
        return status
    record = record_of_bundle(read_bundle(folder), Manifest.load(args.prepared), found_of(folder), args.maker)
    record.save(args.records / TABLE / f"{args.name}.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
