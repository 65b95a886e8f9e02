"""Compile a step's programs for devices that are not there, in a process of its own, and count what they do.

`python -m kerneldistill.runs.planning.compiled` reads a `Request` as JSON and writes a `Compiled` a line.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import pydantic

from kerneldistill.algorithms.engines import network_of
from kerneldistill.config.schema import KernelConfig
from kerneldistill.kernels.topologies import topology


@dataclass(frozen=True)
class Request:
    """What to compile.

    topology: by name, such as v5e:2x2
    kernel: whose engine
    image_shape: (h, w, c)
    support, targets: images of a chunk
    programs: names of `kernels.step_programs`, those that the step has of them; empty: all
    xla_only: without kernels of ours
    shards: parts that the support is dealt in
    """

    topology: str
    kernel: KernelConfig
    image_shape: tuple[int, int, int]
    support: int
    targets: int
    programs: tuple[str, ...] = ()
    xla_only: bool = False
    shards: int = 1


@dataclass(frozen=True)
class Compiled:
    """A program, and what one run of it takes of each device.

    program: its name
    arguments, output, temporary: bytes in the device's memory, by the compiler
    flops, bytes, kernels: operations, bytes moved and kernels launched, every loop by its turns
    exchanges: how often each kind of exchange between devices runs, `exchanged` the bytes that go into them
    seconds: of compiling
    """

    program: str
    arguments: int
    output: int
    temporary: int
    flops: float
    bytes: float
    kernels: int
    exchanges: dict[str, int]
    exchanged: float
    seconds: float


def compile_for(request: Request) -> Iterator[Compiled]:
    """Compile in a process of its own, as jax must be told of the platform before it starts.

    Raises:
      ValueError: the extra is missing.
      RuntimeError: the compiler fails, after it said why.
    """
    named = topology(request.topology)
    if named.missing:
        raise ValueError(f"nothing here compiles for {named.name}: pip install 'kerneldistill[{named.missing}]'")
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        env={**os.environ, **named.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process, process.stdin as given:
        given.write(pydantic.TypeAdapter(Request).dump_json(request).decode())
        given.close()
        adapter = pydantic.TypeAdapter(Compiled)
        yield from (adapter.validate_json(line) for line in process.stdout)
    if process.returncode:
        raise RuntimeError(f"{named.name}: the compiler failed; what it said stands above")


def _main() -> None:
    import jax
    import numpy as np

    from kerneldistill.kernels.device_kinds import KINDS
    from kerneldistill.kernels.exact_engine import ExactEngine
    from kerneldistill.kernels.hlo_cost import Program
    from kerneldistill.kernels.step_programs import step_programs

    jax.config.update("jax_enable_x64", True)
    request = pydantic.TypeAdapter(Request).validate_json(sys.stdin.read())
    if request.xla_only:
        KINDS.update({name: kind._replace(core_bytes=0) for name, kind in KINDS.items()})
    devices, kernel = topology(request.topology).compiled_for(), request.kernel
    dtype = np.dtype(kernel.dtype)
    engine = ExactEngine(network_of(kernel), kernel.get, request.image_shape, dtype, devices, request.shards)
    programs = step_programs(engine, request.support, request.targets)
    for name in [name for name in request.programs or programs if name in programs]:
        began = time.perf_counter()
        compiled = programs[name]().compile()
        seconds = time.perf_counter() - began
        sizes, text = compiled.memory_analysis(), compiled.as_text()
        assert sizes is not None  # both compilers tell
        assert text is not None
        found = Compiled(
            program=name,
            arguments=sizes.argument_size_in_bytes,
            output=sizes.output_size_in_bytes,
            temporary=sizes.temp_size_in_bytes,
            seconds=seconds,
            **Program(text).cost._asdict(),
        )
        print(json.dumps(asdict(found)), flush=True)


if __name__ == "__main__":
    _main()
