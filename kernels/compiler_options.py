"""What the compiler is told about programs that pass bands through layers; the one place where that is chosen."""

from functools import cache

import jax

# What XLA's CPU compiler does by default with bands, and what a 32 x 32 entry of the KIP ConvNet gains without it, on
# jax 0.10.2, milliseconds of a core:
#   - its newer emitters fuse a chain into each of its consumers and recompute it there: forward 3.4 -> 1.1;
#   - it hands sums to a library and writes out their six operands for it: gradient 6.2 -> 5.5;
#   - it takes vectors of 256 bits where there are 512: forward 1.93 -> 1.57, gradient 7.4 -> 7.0 (processor time on
#     a busy machine, the least of 4 alternating runs).
# From jax 0.11 on the first option is gone, and no longer needed. Processor time of an entry on a busy machine, the
# least of 6 runs, forward and with gradient: 0.10.2 with both options 1.63, 7.3 ms, with none 4.4, 10.7; 0.12.0 with
# the second 1.62, 7.0, with none 1.69, 7.8.
_BANDS_ON_CPU: dict[str, bool | int | str] = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_experimental_ynn_fusion_type": "",
    "xla_cpu_prefer_vector_width": 512,
}


def band_options(platform: str) -> dict[str, bool | int | str] | None:
    """The options for `jax.jit` of programs on bands, of those that this compiler has.

    Not for fully connected networks: they are matrix products, which that library does twice as fast.
    """
    if platform != "cpu":
        return None
    return {name: value for name, value in _BANDS_ON_CPU.items() if _known(name, value)}


@cache
def _known(name: str, value: bool | int | str) -> bool:
    try:
        jax.jit(lambda x: x, compiler_options={name: value}).lower(0.0).compile()
    except jax.errors.JaxRuntimeError as error:
        if "No such compile option" not in str(error):
            raise
        return False
    return True
