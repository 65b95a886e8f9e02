"""`distill`, `label_solve` and `run`: the stages of `kdistill`, from arrays or from a configuration."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from numpy.typing import ArrayLike

from kerneldistill.api.arrays import Arrays, arrays_of
from kerneldistill.api.distilled_set import DistilledSet, load
from kerneldistill.api.session import computing, in_python
from kerneldistill.api.settings import Sections, configure, for_arrays
from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.kernels.feature_kernel import Encoder, FeatureKernel
from kerneldistill.runs.directory import RunDir

AnyPath = str | os.PathLike[str]
Stage = Callable[[Config, RunDir], None]


def distill(
    images: ArrayLike,
    labels: ArrayLike,
    size: int = 10,
    *,
    test: tuple[ArrayLike, ArrayLike] | None = None,
    test_fraction: float = 0.2,
    whiten: str | None = None,
    steps: int | None = None,
    seed: int | None = None,
    class_names: Sequence[str] | None = None,
    preset: str | Config | None = None,
    dir: AnyPath | None = None,
    **settings: Unpack[Sections],
) -> DistilledSet:
    """Learn a few images from which kernel ridge regression predicts all of `images` (KIP, arXiv 2107.13034).

    The same stages as `kdistill run`: whiten, learn, evaluate, export. Progress and a closing table are printed.

    Args:
      images: uint8 [n, h, w, c] or, grey, [n, h, w], pixels 0..255
      labels: whole numbers [n], class indices 0..k-1
      size: images to learn in all, at least one a class
      test: (images, labels) that the result is measured on, once. Default: `test_fraction` of each class, drawn by
        `seed` and not learned from
      test_fraction: between 0 and 1
      whiten: "standard" (the default), "kip_zca", "kornia_zca" or "none"
      steps: outer steps, each on `optim.target_batch` of the images; default 200 on 500 images
      seed: of every random draw; default 0
      class_names: [k] names of the classes; default their numbers
      preset: name of a preset, or a `Config`, to start from; its data are replaced by these. Default: KIP's ConvNet of
        a depth that suits the size of the images
      dir: a run directory, which holds the prepared data, a checkpoint of every few steps and the bundle; the same call
        goes on where it stopped. Default: a temporary one, removed with the result
      **settings: sections of `Config`, each its class or a mapping of values that differ, for example
        `kernel={"network": "fc", "depth": 1}, optim={"learning_rate": 0.01}`; or `kernel=kd.kernels.features(phi)` for
        the products of the features of an encoder of yours

    Returns:
      The set, with `.images`, `.labels`, `.predict(images)`, `.plot()` and `.save(folder)`.

    Raises:
      UserError: an array or a setting is not allowed, or a class has too few images.
      KeyboardInterrupt: after the last finished step is saved in `dir`.

    Example:
      >>> result = kd.distill(images, labels, size=10, steps=12, kernel={"network": "fc", "depth": 1})
      >>> result.images.shape, result.labels.shape
      ((10, 8, 8, 1), (10, 10))
    """
    from kerneldistill.runs import stages

    common = {"support.size": size, "data.whiten": whiten, "optim.steps": steps, "seed": seed}
    arrays = arrays_of(images, labels, test, test_fraction, seed or 0, class_names)
    return _on_arrays(stages.run, arrays, preset, dir, settings, common)


def label_solve(
    images: ArrayLike,
    labels: ArrayLike,
    size: int = 10,
    *,
    test: tuple[ArrayLike, ArrayLike] | None = None,
    test_fraction: float = 0.2,
    whiten: str | None = None,
    seed: int | None = None,
    class_names: Sequence[str] | None = None,
    preset: str | Config | None = None,
    dir: AnyPath | None = None,
    **settings: Unpack[Sections],
) -> DistilledSet:
    """Keep `size` real images, drawn class by class, and solve in closed form for their best labels (Label Solve).

    One pass over all of `images`, no gradient (arXiv 2107.13034, eq. 2). Arguments, result and errors are those of
    `distill`.

    Example:
      >>> kd.label_solve(images, labels, size=20, kernel={"network": "fc", "depth": 1}).labels.shape
      (20, 10)
    """
    from kerneldistill.runs import stages

    common = {"support.size": size, "data.whiten": whiten, "seed": seed}
    arrays = arrays_of(images, labels, test, test_fraction, seed or 0, class_names)
    return _on_arrays(stages.label_solve, arrays, preset, dir, settings, common)


def run(
    config: str | Config, dir: AnyPath | None = None, *, seed: int | None = None, **settings: Unpack[Sections]
) -> DistilledSet:
    """Do what `kdistill run` does: prepare, learn, evaluate and export a data set that `config` names.

    Args:
      config: name of a preset, or a `Config`
      dir: a run directory, as of `distill`
      seed: of every random draw
      **settings: as of `distill`

    Raises:
      UserError: a setting is not allowed, or the directory holds another run.
      DataError: the data cannot be read.

    Example:
      >>> kd.run("digits", optim={"steps": 12}, kernel={"network": "fc", "depth": 1}).class_names[:3]
      ('0', '1', '2')
    """
    from kerneldistill.runs import stages

    with in_python():
        resolved = configure(config, {"seed": seed, **settings})
    return _in_directory(dir, lambda rundir: _stage(stages.run, resolved, rundir), _encoder(settings))


def _on_arrays(
    stage: Stage,
    arrays: Arrays,
    base: str | Config | None,
    dir: AnyPath | None,
    settings: Mapping[str, Any],
    common: Mapping[str, Any],
) -> DistilledSet:
    def act(rundir: RunDir) -> None:
        with in_python():
            config = for_arrays(arrays, str(rundir.arrays_file), base, settings, common)
        if rundir.config_file.is_file() and rundir.config().data.version != config.data.version:
            raise UserError(f"dir is {rundir.path}, which holds a run on other images or labels: give another one")
        _stage(stage, config, rundir, arrays)

    return _in_directory(dir, act, _encoder(settings))


def _stage(stage: Stage, config: Config, rundir: RunDir, arrays: Arrays | None = None) -> None:
    with computing(), rundir.open(config):
        if arrays is not None:
            arrays.save(rundir.arrays_file)
        stage(config, rundir)


def _encoder(settings: Mapping[str, Any]) -> Encoder | None:
    """The encoder that was given as the kernel."""
    kernel = settings.get("kernel")
    return kernel.phi if isinstance(kernel, FeatureKernel) else None


def _in_directory(dir: AnyPath | None, act: Callable[[RunDir], None], encoder: Encoder | None) -> DistilledSet:
    """The bundle that `act` leaves in a run directory; without one in a temporary one, which lives as long as it."""
    if dir is not None:
        folder = Path(dir).expanduser().absolute()
        act(RunDir(folder))
        return load(folder, encoder)
    folder = Path(tempfile.mkdtemp(prefix="kerneldistill-"))
    try:
        act(RunDir(folder, temporary=True))
        result = load(folder, encoder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(result, shutil.rmtree, folder, ignore_errors=True)
    return result
