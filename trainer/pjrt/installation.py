"""Which JAX fits beside TensorFlow 2.15, and what to install where it is missing."""

from __future__ import annotations

import importlib.metadata
import re
import sys

from trainer import errors

TPU, GPU, CPU = 'tpu', 'gpu', 'cpu'
# Read and run with: 0.6.2 on Python 3.10, 0.7.1 on 3.11. 0.7.2 needs numpy 2, with which TensorFlow 2.15 does not work.
_LOWEST, _ABOVE = (0, 6, 2), (0, 7, 2)
_OLDEST_PYTHON = (3, 10)
_EXTRAS = {TPU: '[tpu]', GPU: '[cuda12]', CPU: ''}
_PLUGINS = {TPU: 'libtpu', GPU: 'jax-cuda12-plugin'}


def requirements(kind: str) -> tuple[str, ...]:
    """What pip has to install, after the trainer, to train on 'tpu', 'gpu' or 'cpu'."""
    return f'jax{_EXTRAS[kind]}>={_dotted(_LOWEST)},<{_dotted(_ABOVE)}', 'numpy<2', 'etils[epath]'


def command(kind: str) -> str:
    """The pip command that installs JAX for 'tpu', 'gpu' or 'cpu'.

    It is one of its own, after that of the trainer: TensorFlow pins an older ml_dtypes, which it does not need, and
    pip would not find an answer for both. It warns of this conflict once.
    """
    return 'pip install ' + ' '.join(f"'{requirement}'" for requirement in requirements(kind))


def check(kind: str) -> None:
    """Checks, without importing it, that a JAX for 'tpu', 'gpu' or 'cpu' is installed and fits beside TensorFlow.

    Raises:
      errors.UserError: it is missing or does not fit; the message has the command that mends it.
    """
    if sys.version_info < _OLDEST_PYTHON:
        raise errors.UserError(
            f'--runtime=pjrt needs Python 3.10 or 3.11, and this is {sys.version_info[0]}.{sys.version_info[1]}, for '
            'which there is no JAX that fits: make an environment with a newer one, or train with --runtime=estimator'
        )
    version = _version('jax')
    if not version:
        raise errors.UserError(f'--runtime=pjrt needs JAX, which is not installed: run {command(kind)}')
    if not _LOWEST <= _numbers(version) < _ABOVE:
        raise errors.UserError(
            f'--runtime=pjrt runs with jax {_dotted(_LOWEST)} or newer and below {_dotted(_ABOVE)}, and this is '
            f'{version}: run {command(kind)}'
        )
    if _version('jaxlib') != version:
        raise errors.UserError(f'jax {version} beside jaxlib {_version("jaxlib")}: run {command(kind)}')
    if _numbers(_version('ml_dtypes')) < (0, 5):
        raise errors.UserError(
            f'jax {version} needs ml_dtypes 0.5, and this is {_version("ml_dtypes")}, probably because TensorFlow was '
            f'installed after JAX: run {command(kind)}'
        )
    if kind in _PLUGINS and not _version(_PLUGINS[kind]):
        raise errors.UserError(
            f'jax {version} is installed without {_PLUGINS[kind]}, and so without a {kind.upper()}: run {command(kind)}'
        )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ''


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r'\d+', version)[:3])


def _dotted(version: tuple[int, ...]) -> str:
    return '.'.join(map(str, version))
