"""Find a data set in a folder of TFDS data sets (`data_dir/name[/config]/version`)."""

from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.storage.files import absolute

_INFO = "dataset_info.json"


def find_version(config: DataConfig) -> epath.Path:
    """Find the folder of the version that `config` asks for, or of the newest; download it if `config` says so.

    Raises:
      DataError: `dir`, data set or version does not exist; the message names those that do.
    """
    if config.dir is None:
        raise DataError(f"data.dir is not set; {config.name} needs the folder of TFDS data sets that holds it")
    data_dir = absolute(config.dir)  # workers may run elsewhere
    versions = _versions(data_dir / config.name)
    if config.download and (not versions or (config.version and config.version not in versions)):
        from kerneldistill.pipeline.sources.download import download

        download(config.name, config.version, data_dir)
        versions = _versions(data_dir / config.name)
    if not data_dir.is_dir():
        raise DataError(
            f"data.dir {data_dir} does not exist; give the folder of TFDS data sets that holds {config.name}"
        )
    if not versions:
        others = ", ".join(data_set_names(data_dir)) or "none"
        raise DataError(
            f"{config.name} is not in {data_dir}; found there: {others}; correct the name or set data.download"
        )
    if config.version and config.version not in versions:
        raise DataError(f"{config.name} has no version {config.version} in {data_dir}; found: {', '.join(versions)}")
    return data_dir / config.name / (config.version or versions[-1])


def _versions(folder: epath.Path) -> list[str]:
    """List the complete versions, oldest first."""
    names = [path.parent.name for path in folder.glob(f"*.*.*/{_INFO}")]
    return sorted((name for name in names if _numbers(name)), key=_numbers)


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else ()


def data_set_names(data_dir: epath.Path) -> list[str]:
    """List the names, with configurations, of all data sets in a folder."""
    infos = [*data_dir.glob(f"*/*.*.*/{_INFO}"), *data_dir.glob(f"*/*/*.*.*/{_INFO}")]
    return sorted({str(path.parent.parent.relative_to(data_dir)) for path in infos})
