"""Dataset distillation by kernel meta-learning: the outer loop, its files and its command line.

Importing this package loads neither jax, Beam nor TensorFlow; the modules that compute import jax themselves.
"""

from kerneldistill.errors import UserError as UserError
