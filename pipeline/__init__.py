"""Data preparation: a labelled image data set in, whitened float32 images with a manifest out.

`prepare` writes a prepared data set (a Beam pipeline), `load` reads one. Importing this package loads neither Beam nor
TensorFlow.
"""

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.load import Prepared, load
from kerneldistill.pipeline.prepare import prepare
from kerneldistill.pipeline.split import Split
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.pipeline.whitening.whitener import Whitener

__all__ = ["DataConfig", "DataError", "Manifest", "Prepared", "Split", "Whitener", "load", "prepare"]
