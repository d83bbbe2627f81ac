"""What the server of `processes.py` imports: the slow libraries of the project, but not the project itself."""

import gc

import google.cloud.storage  # noqa: F401
import matplotlib.figure  # noqa: F401
import msgspec  # noqa: F401
import PIL.Image  # noqa: F401
import tensorflow.compat.v1 as v1

from tests.sessions import start_without_grappler

_named = v1.estimator.Estimator, v1.keras.layers.Dense  # TensorFlow imports both at their first use.
start_without_grappler()
gc.freeze()
