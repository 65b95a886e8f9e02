"""The encoder of a run whose kernel is of features: tried before anything slow, and the same to the end."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pydantic

from kerneldistill.algorithms.encoders import checked_identity, encoder_of, give_encoder, import_encoder
from kerneldistill.bundle.encoder_record import EncoderRecord
from kerneldistill.bundle.manifest import BundleManifest
from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.kernels.encoder_checks import Identity
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning.dataset_size import size_of
from kerneldistill.runtime.distributed.collectives import from_first
from kerneldistill.runtime.progress import activity

_Stored = pydantic.TypeAdapter(EncoderRecord)


def use_encoder(config: Config, rundir: RunDir) -> None:
    """Import the encoder of a run, try it on images of the size of its data, and compare it with that it began with.

    Nothing is done where the kernel is that of a network.

    Raises:
      UserError: it cannot be used, or the run began with another one.
    """
    name, identity = config.kernel.encoder, try_encoder(config, rundir)
    if name is None or identity is None:
        return

    def tie() -> None:
        if rundir.has_begun and (begun := recorded(rundir)) is not None:
            begun.check(identity, f"{rundir.path}", "put its weights back, or give another --dir")
            return
        content = _Stored.dump_json(EncoderRecord.of(name, identity), indent=1) + b"\n"
        if not rundir.encoder_file.is_file() or rundir.encoder_file.read_bytes() != content:
            rundir.finished.write(rundir.encoder_file, content)

    from_first(tie)


def try_encoder(config: Config, rundir: RunDir) -> Identity | None:
    """Import and try the encoder of a run, and identify it; None where the kernel is that of a network.

    Raises:
      UserError: it cannot be used.
    """
    if config.kernel.encoder is None:
        return None
    import_encoder(config.kernel)
    with activity("trying the encoder"):
        return checked_identity(config.kernel, size_of(config, rundir.prepared).image_shape)


def use_bundle_encoder(folder: Path, image_shape: Sequence[int], name: str | None) -> None:
    """Let the features of a bundle be those of the encoder `name`, module:function; its own name is not imported.

    image_shape: (h, w, c) of its images

    Raises:
      UserError: it cannot be used, or is another than that of the bundle.
    """
    manifest = BundleManifest.from_file(folder / "manifest.json")
    own = manifest.encoder
    if own is None or name is None:
        return
    import_encoder(replace(manifest.kernel, encoder=name))
    give_encoder(encoder_of(replace(manifest.kernel, encoder=name)), own.name)
    found = checked_identity(manifest.kernel, image_shape)
    own.check(found, f"{folder}", "name that one with --encoder module:function")


def recorded(rundir: RunDir) -> EncoderRecord | None:
    """The encoder that a run began with; None for the kernel of a network.

    Raises:
      UserError: the file that says so is damaged.
    """
    if not rundir.encoder_file.is_file():
        return None
    try:
        return _Stored.validate_json(rundir.encoder_file.read_bytes())
    except ValueError as error:
        raise UserError(f"{rundir.encoder_file} is damaged: copy it back, or start again with another --dir") from error
