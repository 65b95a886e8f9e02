"""Data preparation: a labelled image data set in, whitened float32 images with a manifest out.

`prepare` writes a prepared data set (a Beam pipeline), `load` reads one. Importing this package loads neither Beam nor
TensorFlow.
"""

from pipeline.config import DataConfig
from pipeline.errors import DataError
from pipeline.load import Prepared, load
from pipeline.manifest import Manifest
from pipeline.prepare import prepare
from pipeline.split import Split
from pipeline.whiten import Whitener

__all__ = ["DataConfig", "DataError", "Manifest", "Prepared", "Split", "Whitener", "load", "prepare"]
