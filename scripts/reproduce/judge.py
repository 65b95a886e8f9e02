"""Judge a set of the zoo by more protocols, and add what they give to the record of its run and to its card.

    python -m scripts.reproduce.judge mnist-1ipc --record scripts/reproduce/records/grey-1/mnist-refitted.json \\
        --prepared runs/mnist/prepared --protocol kip-quick

For a set whose run directory is gone. It is judged as packed, its images in half precision. `--protocol krr --networks
same` gives the record of a set the random real images that it lacks.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kerneldistill.evaluation.protocol_result import ProtocolResult
from kerneldistill.evaluation.protocols import KRR
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.zoo.packed import described, unpack
from kerneldistill.zoo.store import file_of
from scripts.reproduce.judging import evaluate, found_of, real_of
from scripts.reproduce.record import Record
from scripts.reproduce.zoo import card


def with_protocols(record: Record, found: Sequence[ProtocolResult]) -> Record:
    """The record with what is found of its set, packed: networks in place of older ones of the same protocol.

    What krr says of the set is left out, which the record knows unpacked.
    """
    trained = [result for result in found if result.protocol != KRR]
    anew = {(result.protocol, result.network) for result in trained}
    kept = (result for result in record.protocols if (result.protocol, result.network) not in anew)
    real = record.random_real or next((real_of(result) for result in found if result.protocol == KRR), ())
    return replace(record, protocols=(*kept, *trained), random_real=real)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the set, such as mnist-1ipc")
    parser.add_argument("--record", type=Path, required=True, help="of its run; it is written anew")
    parser.add_argument("--prepared", required=True, help="the data of its run")
    parser.add_argument("--protocol", nargs="+", required=True, help="kdistill evaluate says which there are")
    parser.add_argument("--networks", nargs="*", default=(), help="of the protocols, in place of their own")
    parser.add_argument("--seeds", type=int, default=5, help="networks of each figure")
    parser.add_argument("--runs", type=Path, default=Path("runs", "reproduce"), help="where the bundle goes")
    args = parser.parse_args()
    file, folder = file_of(args.name), args.runs / "zoo" / args.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    unpack(file, folder)
    data = ("--prepared", args.prepared, "--rewhiten")
    if status := evaluate(folder, args.protocol, args.seeds, args.networks, *data):
        return status
    record = with_protocols(Record.load(args.record), found_of(folder))
    record.save(args.record)
    manifest, results = described(file)
    text = card(args.name, record, results["learned"]["accuracy"], manifest.licence, file.stat().st_size)
    write_whole(file.with_suffix(".md"), text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
