"""The environment variables that TensorFlow, Estimator and other libraries read: honoured, ignored, or refused.

Some of them change how TensorFlow is imported and must be handled before that, so nothing here imports it. JAX beside
TensorFlow is handled here for the same reason.

| variable | here |
|---|---|
| TF_PLUGGABLE_DEVICE_LIBRARY_PATH | hidden from TensorFlow, which would load it or crash; chooses PJRT (runtime.py) |
| NEXT_PLUGGABLE_DEVICE_USE_C_API, JAX_PLATFORMS | with --use_tpu they choose PJRT (runtime.py) |
| TPU_WORKER_HOSTNAMES | PJRT refuses several hosts (pjrt/devices.py) |
| TF_USE_LEGACY_KERAS | hidden: TensorFlow 2.15 uses that Keras anyway, and would ask for another package |
| TF_CONFIG | ignored where it describes one machine, refused where it describes several |
| TF_TPU_WATCHDOG_TIMEOUT, TF_TPU_GRACEFUL_SHUTDOWN_MODE | honoured by TPUEstimator, refused where it would crash |
| TPU_LIBRARY_PATH, TPU_CONFIG, TPU_ACCELERATOR_TYPE | honoured (tpu_runtime.py, tpu_address.py, preparation.py) |
| TPU_NAME | ignored: --tpu says which |
| GCS_*, GOOGLE_APPLICATION_CREDENTIALS, TF_NUM_*, CUDA_VISIBLE_DEVICES, XLA_FLAGS | honoured by TensorFlow and JAX |
| AIP_*, CLOUD_ML_* | the defaults of flags (options.py) |
| MPLBACKEND, MATPLOTLIBRC, TQDM_* | ignored: charts and progress bars look the same everywhere |
"""

from __future__ import annotations

import contextlib
import importlib.abc
import json
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from trainer import errors

_AT_IMPORT = ('TF_PLUGGABLE_DEVICE_LIBRARY_PATH', 'TF_USE_LEGACY_KERAS')
_SHUTDOWN_MODES = ('', 'shutdown_worker', 'shutdown_all_workers', 'reset_computation')
_hidden: dict[str, str] = {}


def hide_from_tensorflow() -> None:
    """Removes from the environment what TensorFlow must not see when it is imported."""
    for name in _AT_IMPORT:
        if name in os.environ:
            _hidden[name] = os.environ.pop(name)


def hide_jax_from_tensorflow() -> None:
    """Lets TensorFlow believe that there is no JAX, which it imports for TFLite if it can.

    Nothing here needs that. It takes time, and a JAX that cannot be imported would end the import of TensorFlow with an
    AttributeError: pip puts back an older ml_dtypes beside it whenever TensorFlow is installed later.
    """
    sys.meta_path.insert(0, _NoJax())


class _NoJax(importlib.abc.MetaPathFinder):
    _FOR, _THEN = 'tensorflow.lite.python.util', '_xla_computation'

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        asking = sys.modules.get(self._FOR)
        if name == 'jax' and asking and not hasattr(asking, self._THEN):
            raise ImportError('JAX is hidden from TFLite')


def as_given() -> dict[str, str]:
    """The environment as the user has set it, including what is hidden from TensorFlow."""
    return {**os.environ, **_hidden}


def settle(environ: MutableMapping[str, str]) -> None:
    """Refuses variables on which Estimator would hang or crash, and removes those that it must not act on.

    Raises:
      errors.UserError: a variable names several machines, or has a value that its reader does not accept.
    """
    _check_one_machine(environ)
    environ.pop('TF_CONFIG', None)
    timeout = environ.get('TF_TPU_WATCHDOG_TIMEOUT', '0')
    if not (timeout.isascii() and timeout.isdigit()):
        raise errors.UserError(f'TF_TPU_WATCHDOG_TIMEOUT={timeout!r} is not a number of seconds: unset it')
    mode = environ.get('TF_TPU_GRACEFUL_SHUTDOWN_MODE', '')
    if mode not in _SHUTDOWN_MODES:
        raise errors.UserError(
            f'TF_TPU_GRACEFUL_SHUTDOWN_MODE={mode!r} is not one of {", ".join(_SHUTDOWN_MODES[1:])}: unset it'
        )


@contextlib.contextmanager
def without(*prefixes: str) -> Iterator[None]:
    """Hides the variables with these prefixes during the import of a library that would read them or fail on them."""
    taken = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(prefixes)}
    try:
        yield
    finally:
        os.environ.update(taken)


def _check_one_machine(environ: Mapping[str, str]) -> None:
    text = environ.get('TF_CONFIG', '')
    try:
        config = json.loads(text or '{}')
        machines = sum(len(addresses) for job, addresses in _dict(config, 'cluster').items())
        kind = str(_dict(config, 'task').get('type', ''))
    except (ValueError, TypeError, AttributeError):
        raise errors.UserError(f'TF_CONFIG={text!r} describes no machines that Estimator knows: unset it') from None
    if machines > 1 or kind in ('ps', 'evaluator'):
        raise errors.UserError(
            f'TF_CONFIG describes {machines} machines, and this one as {kind or "none"}: the trainer uses one machine '
            'and would wait for the others; unset it, or give the job one replica'
        )


def _dict(config: dict[str, Any], key: str) -> dict[str, Any]:
    found = config.get(key) or {}
    if not isinstance(found, dict):
        raise TypeError(key)
    return found
