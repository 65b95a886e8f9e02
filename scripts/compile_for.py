"""Compile every program of a step for devices that are not there, and count its bytes, operations and exchanges.

    pip install -e '.[tpu-check]'       # or '.[gpu-check]', in an environment of its own
    python -m scripts.compile_for v5e:2x2
    python -m scripts.compile_for v5e:2x2 --xla-only    # without the fused kernels, to compare
    python -m scripts.compile_for h100 --only conv_net-10,fc-10 --programs block,pullback

Cases are the KIP ConvNet, the same with a global mean, a fully connected network and Myrtle-5, each with 10 and 500
learned images of 32x32x3 and a chunk of targets as a run would take it. Each is written when it is done; what the file
holds already is not compiled again.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import numpy as np

from kerneldistill.algorithms.engines import network_of
from kerneldistill.config.schema import KernelConfig
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.topologies import topology
from kerneldistill.runs.planning.compiled import Compiled, Request, compile_for

SHAPE = (32, 32, 3)
# What a step draws at most, before it is cut into chunks.
TARGETS = 4000
PROGRAMS = ("features", "half_block", "block", "block_saving", "pullback", "pullback_images", "jacobian")
KERNELS = {
    "conv_net": KernelConfig(network="conv_net", depth=3),
    "conv_net_mean": KernelConfig(network="conv_net", depth=3, global_pool=True),
    "fc": KernelConfig(network="fc", depth=3),
    "myrtle": KernelConfig(network="myrtle", depth=5),
}
CASES = {f"{name}-{support}": (kernel, support) for support in (10, 500) for name, kernel in KERNELS.items()}
PACKAGES = ("jax", "jaxlib", "libtpu", "jax-cuda12-plugin")


def request_for(case: str, name: str, programs: Sequence[str] = (), xla_only: bool = False) -> Request:
    """Make a case's request: the chunk is that of an engine on such devices."""
    kernel, support = CASES[case]
    engine = ExactEngine(network_of(kernel), kernel.get, SHAPE, np.dtype(kernel.dtype), topology(name).described)
    return Request(name, kernel, SHAPE, support, engine.chunk(TARGETS, support), tuple(programs), xla_only)


def line(request: Request, found: Compiled) -> str:
    """Write a program as a line, per entry where it has entries."""
    entries = request.support * request.targets / topology(request.topology).devices
    exchanges = ", ".join(f"{count} {kind}" for kind, count in found.exchanges.items()) or "none"
    return (
        f"  {found.program:16} {found.temporary / 1e6:9,.0f} MB temporary, {found.arguments / 1e6:7,.0f} + "
        f"{found.output / 1e6:7,.0f} MB; {found.flops / entries / 1e6:8,.2f} MFLOP and "
        f"{found.bytes / entries / 1e6:8,.2f} MB an entry; {found.kernels:,} kernels; exchanges: {exchanges}; "
        f"{found.seconds:.0f} s"
    )


def run(name: str, only: Sequence[str], programs: Sequence[str], file: Path, xla_only: bool = False) -> None:
    """Compile what `file` has not yet, and write it after every program."""
    kept = json.loads(file.read_text()) if file.exists() else {"topology": name, "packages": _versions(), "cases": {}}
    for case in only:
        request = request_for(case, name, programs)
        rows = kept["cases"].setdefault(case, {"targets": request.targets, "support": request.support, "programs": {}})
        wanted = [each for each in programs if each not in rows["programs"]]
        print(f"{name} {case}: {request.support} rows x {request.targets} columns", flush=True)
        for found in compile_for(request_for(case, name, wanted, xla_only)) if wanted else ():
            print(line(request, found), flush=True)
            rows["programs"][found.program] = {k: v for k, v in asdict(found).items() if k != "program"}
            file.write_text(json.dumps(kept, indent=1) + "\n")


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def main(arguments: Sequence[str]) -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topology", help="v5e:2x2, v5p:2x2x1, v6e:2x2, h100, ...")
    parser.add_argument("--only", default=",".join(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--programs", default=",".join(PROGRAMS), help=f"of {', '.join(PROGRAMS)}")
    parser.add_argument("--out", type=Path, help="JSON file (default: compiled-TOPOLOGY.json)")
    parser.add_argument("--xla-only", action="store_true", help="without the fused kernels of TPUs")
    given = parser.parse_args(arguments)
    try:
        topology(given.topology)
        run(
            given.topology,
            _chosen(given.only, CASES, "--only"),
            _chosen(given.programs, PROGRAMS, "--programs"),
            given.out or Path(f"compiled-{given.topology.replace(':', '-')}{'-xla' if given.xla_only else ''}.json"),
            given.xla_only,
        )
    except (ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _chosen(names: str, known: Sequence[str] | dict, flag: str) -> list[str]:
    chosen = names.split(",")
    for name in chosen:
        if name not in known:
            raise ValueError(f"{flag} has {name!r}, allowed are {', '.join(known)}")
    return chosen


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
