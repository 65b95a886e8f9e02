"""Several processes that run the same program, each on its part of the work: `jax.distributed`, and what it lacks."""
