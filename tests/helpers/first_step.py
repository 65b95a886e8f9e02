"""Seconds of processor time from the start of a process to the first blocks of KIP's ConvNet at 32 x 32 x 3.

`python -m tests.helpers.first_step` prints them when jax's backend has started, when a block is there, and when its
pullback is. Programs are kept where KERNELDISTILL_CACHE says.
"""

import time

from kerneldistill.runtime import devices


def main() -> None:
    """Computes both."""
    devices.setup()
    import jax
    import numpy as np

    from kerneldistill.kernels.architectures import conv_net
    from kerneldistill.kernels.exact_engine import ExactEngine

    jax.devices()
    print(time.process_time())
    engine = ExactEngine(conv_net(3), "ntk", (32, 32, 3), np.dtype("float32"))
    images = np.random.default_rng(0).standard_normal((34, 32, 32, 3), dtype=np.float32)
    support, targets = engine.support_features(images[:2]), engine.target_features(images[2:])
    jax.block_until_ready(engine.k_ts(support, targets))
    print(time.process_time())
    jax.block_until_ready(engine.pullback(support, targets, np.ones((32, 2))))
    print(time.process_time())


if __name__ == "__main__":
    main()
