"""Check for TensorFlow, an optional extra of 1.3 GB that only tfrecord files and downloads need."""

import importlib.util

from kerneldistill.pipeline.errors import DataError


def require_tensorflow(why: str, otherwise: str) -> None:
    """Raise DataError, saying how to install it, if TensorFlow is missing. Does not import it.

    Args:
      why: what needs it
      otherwise: how to do without
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise DataError(f"{why} needs TensorFlow: pip install -e '.[tf]', or {otherwise}")
