"""Times kernel entries, forward, with gradient and with Jacobian, over image sizes, heads and device counts; float32.

    python -m scripts.bench_kernels                            # every case, a table, and kernels.json
    python -m scripts.bench_kernels --only 32-flatten --rounds 3
    python -m scripts.bench_kernels --only 32-flatten --against .nt    # alternating with neural-tangents, and the ratio

`--against DIR` names a virtual environment with neural-tangents; `--peer` the program to run in it, which prints one
JSON line with forward_ms_per_entry and gradient_ms_per_entry for --rows, --cols, --size, --channels and --depth, and
with --gap or --myrtle for the other heads.
Every measurement is a process of its own, so that devices, memory and compilation are its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

ROWS = 8
REPEATS = 3
PEER = Path("../shared/tools/neural_tangents_time.py")


@dataclass(frozen=True)
class Case:
    """size, channels: of the images. depth: blocks of the KIP ConvNet. devices: of the mesh.

    head: flatten or gap of the KIP ConvNet, or myrtle for Myrtle-5, which has a head of its own.
    """

    size: int
    channels: int
    depth: int
    head: str
    devices: int

    @property
    def name(self) -> str:
        return f"{self.size}-{self.head}-{self.devices}"


@dataclass(frozen=True)
class Timing:
    """What one process measured.

    forward_ms, gradient_ms, jacobian_ms: per entry; the last two are forward and backward together
    compile_s: of the two programs of kernel and gradient
    entries: of the block that was timed
    peak_mb: largest resident memory of the process before Jacobians, MB
    device: as jax calls it
    """

    forward_ms: float
    gradient_ms: float
    jacobian_ms: float
    compile_s: float
    entries: int
    peak_mb: float
    device: str


def cases(most_devices: int) -> list[Case]:
    """All that is timed: KIP ConvNets of 3 blocks (2 at 8x8, 4 at 64x64), Flatten and global mean; Myrtle-5."""
    counts = sorted({1, most_devices})
    shapes = ((8, 1, 2), (16, 3, 3), (28, 1, 3), (32, 3, 3), (64, 3, 4))
    flatten = [Case(*shape, "flatten", count) for shape in shapes for count in counts]
    gap = [Case(*shape, "gap", most_devices) for shape in ((8, 1, 2), (16, 3, 3), (32, 3, 3))]
    return [*flatten, *gap, Case(32, 3, 3, "myrtle", most_devices)]


def measure(case: Case) -> Timing:
    """Times one case in this process, which must not have started jax."""
    os.environ["PJRT_NPROC"] = os.environ["NPROC"] = str(2 * max(case.devices, os.cpu_count() or 1))
    import jax
    import numpy as np

    from kerneldistill.kernels.architectures import conv_net, myrtle
    from kerneldistill.kernels.exact_engine import ExactEngine
    from kerneldistill.kernels.xla_flags import leave_loops_whole
    from kerneldistill.runs.planning.timing import seconds_of_call

    leave_loops_whole()
    jax.config.update("jax_num_cpu_devices", case.devices)
    network = myrtle(5) if case.head == "myrtle" else conv_net(case.depth, global_pool=case.head == "gap")
    shape = (case.size, case.size, case.channels)
    engine = ExactEngine(network, "ntk", shape, np.dtype("float32"), tuple(jax.devices()[: case.devices]))
    rng = np.random.default_rng(0)
    support, targets = (
        rng.standard_normal((n, *shape)).astype(np.float32) for n in (ROWS, 2 * case.devices * engine.group)
    )
    f_s, f_t = engine.support_features(support), engine.target_features(targets)
    cotangent = np.ones((len(targets), ROWS), np.float32)

    def forward() -> object:
        return engine.k_ts(f_s, f_t)

    def both() -> object:
        kernel, saved = engine.k_ts_saving(f_s, f_t)
        return kernel, engine.pullback(f_s, f_t, cotangent, saved=saved)

    def jacobian() -> object:
        return engine.k_ts_and_jacobian(f_s, f_t)

    entries = ROWS * len(targets)

    def per_entry(run: Callable[[], object]) -> float:
        return 1e3 * min(seconds_of_call(run) for _ in range(REPEATS)) / entries

    jax.block_until_ready(forward())
    compiled = seconds_of_call(both)
    forward_ms, gradient_ms = per_entry(forward), per_entry(both)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    jax.block_until_ready(jacobian())
    compile_s = compiled - gradient_ms * entries / 1e3
    return Timing(forward_ms, gradient_ms, per_entry(jacobian), compile_s, entries, peak, jax.devices()[0].device_kind)


def _ours(case: Case) -> Timing:
    command = [sys.executable, "-m", "scripts.bench_kernels", "--measure", json.dumps(asdict(case))]
    return Timing(**json.loads(_last_line(command)))


def _peer(environment: Path, program: Path, blocks: Sequence[int], case: Case) -> tuple[float, float]:
    """The peer's best forward and gradient time per entry, ms, over its block sizes."""
    runs = []
    for block in blocks:
        sizes = {"rows": block, "cols": block, "size": case.size, "channels": case.channels, "depth": case.depth}
        command = [str(environment / "bin" / "python"), str(program)]
        command += [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
        runs.append(json.loads(_last_line(command + ([] if case.head == "flatten" else [f"--{case.head}"]))))
    return tuple(min(run[f"{name}_ms_per_entry"] for run in runs) for name in ("forward", "gradient"))


def _last_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def _summary(case: Case, ours: list[Timing], peer: list[tuple[float, float]]) -> dict[str, object]:
    """Medians over the rounds, and the ratio of the peer to ours round by round."""
    names = ("forward_ms", "gradient_ms", "jacobian_ms", "compile_s", "peak_mb")
    found = {**asdict(case), "device": ours[0].device, "entries": ours[0].entries, "rounds": len(ours)}
    found |= {name: round(median(getattr(t, name) for t in ours), 4) for name in names}
    for i, name in enumerate(("forward", "gradient") if peer else ()):
        ratios = [p[i] / getattr(t, f"{name}_ms") for p, t in zip(peer, ours, strict=True)]
        found |= {f"peer_{name}_ms": round(median(p[i] for p in peer), 2), f"{name}_ratio": round(median(ratios), 1)}
    return found


def _print(rows: list[dict[str, object]]) -> None:
    columns = [("size", "size"), ("head", "head"), ("devices", "devices"), ("forward_ms", "forward ms/entry")]
    columns += [("gradient_ms", "with gradient"), ("jacobian_ms", "with Jacobian")]
    columns += [("compile_s", "compile s"), ("peak_mb", "peak MB")]
    columns += (
        [("forward_ratio", "peer/ours"), ("gradient_ratio", "with gradient")] if "forward_ratio" in rows[0] else []
    )
    print("  ".join(title for _, title in columns))
    for row in rows:
        print("  ".join(f"{row[key]!s:>{len(title)}}" for key, title in columns))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name, SIZE-HEAD-DEVICES, begins so")
    parser.add_argument("--rounds", type=int, default=1, help="processes per case")
    parser.add_argument("--devices", type=int, default=len(os.sched_getaffinity(0)), help="the larger device count")
    parser.add_argument("--against", type=Path, help="virtual environment with neural-tangents")
    parser.add_argument("--peer", type=Path, default=PEER)
    parser.add_argument(
        "--peer-blocks",
        type=int,
        nargs="+",
        default=[4, 10],
        help="rows and columns of the peer's blocks; its best counts",
    )
    parser.add_argument("--json", type=Path, default=Path("kernels.json"))
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(asdict(measure(Case(**json.loads(args.measure))))))
        return
    chosen = [case for case in cases(args.devices) if case.name.startswith(args.only)]
    if not chosen:
        sys.exit(f"--only is {args.only!r}; cases are: {', '.join(case.name for case in cases(args.devices))}")
    rows = []
    for case in chosen:
        ours, peer = [], []
        for _ in range(args.rounds):
            ours.append(_ours(case))
            if args.against:
                peer.append(_peer(args.against, args.peer, args.peer_blocks, case))
        rows.append(_summary(case, ours, peer))
        _print(rows[-1:])
    print()
    _print(rows)
    args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
