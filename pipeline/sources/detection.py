"""Find out what `data.dir` holds and what to call it, where `data.source` and `data.name` are `auto`."""

from dataclasses import replace
from importlib import import_module
from types import ModuleType

from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.sources.notes import note
from kerneldistill.pipeline.sources.registry import AUTO, BUILT_IN, SOURCES
from kerneldistill.pipeline.storage.files import absolute
from kerneldistill.pipeline.untrusted.names import file_name, is_name, printable

# Names of files that say nothing of what is in them: there the folder's name is taken.
_GENERAL = ("data", "dataset", "images", "index", "labels", "list", "metadata", "train")


# What is read, in fewer words than the registry's.
KNOWN = (
    "pictures in a folder for each class, .npz or .npy arrays, a CSV of paths and labels, a folder of TFDS, or data "
    "sets of Hugging Face on disk"
)


def detected(config: DataConfig) -> DataConfig:
    """Fill in `source` and `name` where they are `auto`.

    Raises:
      DataError: `dir` is not there, holds nothing that is read, or is given for a data set that reads none.
    """
    if config.is_built_in and config.dir is not None:
        raise DataError(
            f"data.dir is {config.dir}, but {config.name} comes with scikit-learn and reads no folder: leave out the "
            f"word {config.name} to read {config.dir}, or leave out --data.dir"
        )
    if AUTO not in (config.source, config.name):
        _check_kind(config)
        return config
    if config.dir is None:
        raise DataError(
            "data.dir is not set; name your data with --data.dir PATH (a folder of images, an .npz file, a folder of "
            "TFDS data sets), or a preset whose data need none, digits"
        )
    path = absolute(config.dir)
    kind = config.source if config.source != AUTO else _kind(path, config)
    name = config.name if config.name != AUTO else _name(path, kind)
    note(f"{printable(config.dir)} is read as {SOURCES[kind].reads}: --data.source {kind} --data.name {name}")
    return replace(config, source=kind, name=name)


def kind_of(path: epath.Path) -> str | None:
    """Return the first kind of source that detects what is at a path; None where none does."""
    return next((kind for kind in SOURCES if module_of(kind).detects(path)), None)


def module_of(kind: str) -> ModuleType:
    """Return the module of a kind of source, or of a data set that comes with a library."""
    module = BUILT_IN[kind] if kind in BUILT_IN else SOURCES[kind].module
    return import_module(f"kerneldistill.pipeline.sources.{module}")


def _check_kind(config: DataConfig) -> None:
    """Refuse a folder of another kind in the place of one of TFDS, which is what `source` is by default."""
    path = None if config.source != "tfds" or config.dir is None or config.download else absolute(config.dir)
    if path is not None and path.exists() and (kind := kind_of(path)) not in (None, "tfds"):
        raise DataError(
            f"data.dir is {config.dir}, {SOURCES[kind].reads}, but data.source is tfds: set --data.source {kind}"
        )


def _kind(path: epath.Path, config: DataConfig) -> str:
    if config.download:
        return "tfds"
    if not path.exists():
        raise DataError(f"data.dir is {config.dir}, which is not there; name a folder or a file that is")
    if (kind := kind_of(path)) is None:
        packed = path.suffix in (".zip", ".tar", ".gz", ".tgz", ".7z")
        raise DataError(
            f"data.dir is {config.dir}, which holds nothing that is read; allowed: "
            f"{'a folder: unpack it and name that' if packed else KNOWN}"
        )
    return kind


def _name(path: epath.Path, kind: str) -> str:
    """Name a data set by its file or folder; one of TFDS by itself."""
    if kind == "tfds":
        from kerneldistill.pipeline.sources.tfds_folder import data_set_names

        names = data_set_names(path)
        if len(names) != 1:
            raise DataError(f"{path} holds {len(names)} data sets ({', '.join(names)}); name one with --data.name NAME")
        return names[0]
    stem = path.name if path.is_dir() else path.name.removesuffix(path.suffix)
    name = path.parent.name if stem.lower() in _GENERAL and path.parent.name else stem
    return name if is_name(name) and name != AUTO else file_name(name)
