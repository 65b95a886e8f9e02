"""Strict JAX for every test: float64 on, no silent promotion, two CPU devices."""

import os

# Collectives between virtual CPU devices deadlock when XLA's thread pool is smaller than twice the devices.
os.environ.update(PJRT_NPROC="8", NPROC="8")
# Tiny images: compiling is nearly all the time, and this halves it. `XLA_FLAGS= pytest` tests optimised code.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
