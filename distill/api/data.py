"""`prepare` and `load_prepared`: a whitened data set on disk, from a configuration or from arrays."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from kerneldistill.api.arrays import IMAGE_KEY, LABEL_KEY, arrays_of
from kerneldistill.errors import UserError
from kerneldistill.pipeline import DataConfig, Prepared
from kerneldistill.pipeline import load as load_from
from kerneldistill.pipeline import prepare as prepare_at


def prepare(
    data: DataConfig | tuple[ArrayLike, ArrayLike],
    out: str | os.PathLike[str],
    *,
    test: tuple[ArrayLike, ArrayLike] | None = None,
    test_fraction: float = 0.2,
    overwrite: bool = False,
    **settings: Any,
) -> Prepared:
    """Whiten a data set, set a validation part aside, and store it: what `kdistill prepare --out` does.

    Args:
      data: what to read: a `DataConfig`, or images and labels as `distill` takes them
      out: folder or URL; a complete output of the same data and settings is kept
      test: of arrays: (images, labels) for the test split. Default: `test_fraction` of each class, drawn by `seed`
      test_fraction: between 0 and 1
      overwrite: replace another data set that is at `out`
      **settings: values of `DataConfig` that differ, for example `whiten="kip_zca"`

    Returns:
      The data set, as `load_prepared` reads it.

    Raises:
      UserError: an array is not allowed.
      DataError: a setting is not allowed, or the data cannot be read.

    Example:
      >>> kd.prepare((images, labels), folder, whiten="kip_zca").train.images.shape[1:]
      (8, 8, 1)
    """
    if isinstance(data, DataConfig):
        if test is not None:
            raise UserError("test is given beside a DataConfig, which names its test split: set test_split")
        prepare_at(_changed(data, settings), out, overwrite=overwrite)
        return load_from(out)
    config = _changed(DataConfig(name="images"), settings)
    arrays = arrays_of(*data, test, test_fraction, config.seed, None)
    with tempfile.TemporaryDirectory(prefix="kerneldistill-") as scratch:
        file = Path(scratch, "arrays.npz")
        arrays.save(file)
        keys = {"image_key": IMAGE_KEY, "label_key": LABEL_KEY, "version": arrays.digest[:12]}
        prepare_at(replace(config, source="npz", dir=str(file), **keys), out, overwrite=overwrite)
    return load_from(out)


def load_prepared(path: str | os.PathLike[str]) -> Prepared:
    """Read a prepared data set from a folder or URL, checking the digest of every file.

    Returns:
      `.train`, `.validation` and `.test`, each with `.images` float32 [n, h, w, c] whitened and `.labels` int32 [n];
      `.whitener` with `.apply(pixels)` and `.invert(images)`; `.manifest`.

    Raises:
      DataError: there is none, or a file is missing or damaged.

    Example:
      >>> kd.load_prepared("runs/digits/prepared").test.labels.shape
      (360,)
    """
    return load_from(path)


def _changed(config: DataConfig, settings: dict[str, Any]) -> DataConfig:
    try:
        return replace(config, **settings)
    except TypeError as error:
        raise UserError(f"{error}: allowed are the fields of DataConfig, {', '.join(vars(config))}") from error
