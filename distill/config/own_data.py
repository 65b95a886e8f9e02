"""Find out what a user's own data are, where a configuration leaves it open."""

from dataclasses import replace

from kerneldistill.config.schema import Config
from kerneldistill.pipeline.sources.registry import AUTO


def with_data_found(config: Config) -> Config:
    """Fill in `data.source` and `data.name` where they are `auto`.

    Raises:
      DataError: what `data.dir` names is not there, or holds nothing that is read.
    """
    if AUTO not in (config.data.source, config.data.name):
        return config
    from kerneldistill.pipeline.sources.detection import detected  # help and presets need none of it

    return replace(config, data=detected(config.data))
