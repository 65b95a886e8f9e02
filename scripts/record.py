"""Keep a finished run as a record that `kdistill plan` and `kdistill run` quote for the same settings.

    python -m scripts.record runs/digits

It writes one JSON file, named by its preset, into the package: commit it.
"""

import argparse
from pathlib import Path

from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning.precedent import FOLDER, precedent_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the directory of a finished run")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder that it is written to")
    args = parser.parse_args()
    try:
        found = precedent_of(RunDir(args.run))
    except UserError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    file = args.out / f"{found.preset or args.run.resolve().name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, found.to_json().encode())
    print(f"{file}: {found.line()}")


if __name__ == "__main__":
    main()
