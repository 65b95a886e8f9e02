"""When a run is saved: on a schedule of steps and by the clock."""

from kerneldistill.config.schema import CheckpointConfig, Config

# KIP's released checkpoints (dataset.ipynb of google-research/kip): floor(1000^(i/19)), that is 1, 2, 4, 6, 8, 12, 18,
# 26, 37, 54, 78, 112, 162, 233, 335, 483, 695, 1000; from there on every 500 steps, the default of `checkpoint.every`.
GEOMETRIC = frozenset(int(1000 ** (i / 19)) for i in range(20))


def to_validate(step: int, config: Config) -> bool:
    """Whether the support is scored on validation after `step` steps."""
    return step % config.evaluate.every == 0 or step == config.optim.steps


def to_save(step: int, seconds: float, config: Config) -> bool:
    """Whether the state after `step` steps is saved, `seconds` after the last one was."""
    saved = config.checkpoint
    return (
        step == config.optim.steps
        or step % saved.every == 0
        or (saved.geometric and step in GEOMETRIC)
        or 0 < 60 * saved.minutes <= seconds
    )


def steps_for_good(saved: CheckpointConfig) -> frozenset[int]:
    """The steps that stay, once saved, however many newer ones there are."""
    return GEOMETRIC if saved.keep_geometric and saved.geometric else frozenset()
