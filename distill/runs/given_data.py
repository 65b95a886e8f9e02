"""Prepared data that the user names with `--prepared`: they must be those of the configuration, but need no source."""

from dataclasses import fields
from pathlib import Path

from etils import epath

from kerneldistill.config.settings import flag
from kerneldistill.errors import UserError
from kerneldistill.pipeline import Manifest
from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.copying import copy
from kerneldistill.pipeline.storage.files import absolute, is_remote
from kerneldistill.runs.directory import RunDir, is_run
from kerneldistill.runs.shared_data import link, shared_folder
from kerneldistill.runtime.progress import activity

# These settings say where a source is, or how it is read, not what the data are.
_FREE = {"dir", "download", "version"}


def manifest_of(prepared: str) -> Manifest:
    """Return the manifest of the data at a folder or URL, or of a run.

    Raises:
      DataError: there are none.
    """
    return Manifest.load(_place(prepared))


def check_same(config: DataConfig, prepared: str) -> None:
    """Check that prepared data are those of a configuration.

    Raises:
      UserError: they are of other settings; with the flags to set.
      DataError: there are none.
    """
    found = manifest_of(prepared).config
    names = [field.name for field in fields(DataConfig) if field.name not in _FREE]
    others = [name for name in names if getattr(found, name) != getattr(config, name)]
    if others:
        told = ", ".join(f"data.{name} {getattr(found, name)!r}, here {getattr(config, name)!r}" for name in others)
        flags = " ".join(f"{flag(f'data.{name}')} {getattr(found, name)}" for name in others)
        raise UserError(f"--prepared is {prepared}, which has {told}: give other data, or set {flags}")


def take(rundir: RunDir, prepared: str) -> Manifest:
    """Let a run use prepared data: link to a folder; copy what is at a URL to the shared data, or into the run.

    Raises:
      DataError: there are none, or they are damaged.
      UserError: the run has data of its own already, which are others.
    """
    place = _place(prepared)
    manifest, own = Manifest.load(place), rundir.path / "prepared"
    if own.exists() and Manifest.load(own).fingerprint == manifest.fingerprint:
        return manifest
    if own.exists() and not own.is_symlink():
        raise UserError(f"{own} holds other data than --prepared {prepared}: choose another --dir, or remove {own}")
    if not is_remote(place):
        link(own, Path(place))
        return manifest
    shared = shared_folder()
    target = own if shared is None else shared / manifest.fingerprint
    if not (target / "manifest.json").exists():
        with activity(f"copying {prepared}", len(manifest.shards) + len(manifest.files), "files") as shown:
            copy(place, target, shown.update)
    if shared is not None:
        link(own, target)
    return manifest


def _place(prepared: str) -> epath.Path:
    """Return where prepared data are; of a run directory its own."""
    place = absolute(prepared)
    return place if is_remote(place) or not is_run(place) else absolute(place / "prepared")
