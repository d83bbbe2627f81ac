"""Refuses to start on a TPU VM where TensorFlow would hang, crash or fail with an error about kernels."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import platform
import re
from collections.abc import Mapping, Sequence

import tensorflow as tf
from tensorflow.python.framework import kernels  # The public API cannot ask which kernels a build has.

from trainer import errors

# Each selects a PJRT runtime. PJRT_DEVICE does not: only PyTorch reads it, and TPU VM images set it everywhere.
PJRT_VARIABLES = {'NEXT_PLUGGABLE_DEVICE_USE_C_API': ('', '0', 'false'), 'TF_PLUGGABLE_DEVICE_LIBRARY_PATH': ('',)}
_PJRT_TYPE = re.compile(r'(tpu[_-]?)?(v|ct)([5-9]|\d\d)|tpu\d')
PJRT_ONLY = (
    'TPUEstimator needs the stream-executor runtime, and v5e, v5p, v6e and newer have only PJRT '
    '(https://github.com/tensorflow/tensorflow/issues/90807)'
)
SE_RUNTIME = 'tpu-vm-tf-2.15.*-se'
SE_TPUS = 'a v2 or v3 TPU (a v4 is expected to work)'

_ARTIFACTS = 'https://storage.googleapis.com/cloud-tpu-tpuvm-artifacts'
_WHEEL = (
    f'{_ARTIFACTS}/tensorflow/tf-2.15.0/tensorflow-2.15.0-cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64.whl'
)
_LIBTPU = f'{_ARTIFACTS}/libtpu/1.9.0/libtpu.so'

_LIBRARY = 'libtpu.so'
# Where a Linux loader looks, besides LD_LIBRARY_PATH and what ldconfig found.
_FOLDERS = (
    '/lib', '/usr/lib', '/usr/local/lib', '/lib64', '/usr/lib64', '/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu',
)  # fmt: skip
_LOADER_CACHE = '/etc/ld.so.cache'
_CONFIGURE_OP = '_ConfigureDistributedTPU'


def is_pjrt_type(accelerator_type: str) -> bool:
    """Whether an accelerator or machine type, such as 'v5litepod-8' or 'ct6e-standard-4t', has PJRT only."""
    return bool(_PJRT_TYPE.match(accelerator_type.lower()))


def check_runtime(
    environ: Mapping[str, str],
    folders: Sequence[str] = _FOLDERS,
    loader_cache: str = _LOADER_CACHE,
    configure_op: str = _CONFIGURE_OP,
) -> None:
    """Checks that this machine and this TensorFlow can train on a local TPU, without touching it.

    Args:
      environ: the environment variables.
      folders: where the loader looks for a library.
      loader_cache: the loader's list of further libraries.
      configure_op: the op whose kernel only a TPU build of TensorFlow has.

    Raises:
      errors.UserError: the runtime is PJRT, libtpu.so is missing, or TensorFlow was built without TPU support.
    """
    _check_stream_executor(environ)
    _check_libtpu(environ, folders, loader_cache)
    _check_build(configure_op)


def _check_stream_executor(environ: Mapping[str, str]) -> None:
    """Without this check, TPUEstimator logs "No TPU platform registered" for ever, or crashes."""
    for name, harmless in PJRT_VARIABLES.items():
        value = environ.get(name, '')
        if value.lower() not in harmless:
            raise errors.UserError(
                f'{name}={value!r} selects the PJRT runtime: {PJRT_ONLY}; unset it on {SE_TPUS} with a {SE_RUNTIME} '
                'runtime, or train here with --use_tpu=false'
            )


def _check_libtpu(environ: Mapping[str, str], folders: Sequence[str], loader_cache: str) -> None:
    """Only looks for the file: loading the library would take the TPU's lock, which only one process can hold."""
    named = environ.get('TPU_LIBRARY_PATH', '')
    # The loader searches for a bare file name as for the default name.
    if '/' in named:
        if os.path.isfile(named):
            return
        raise errors.UserError(
            f'TPU_LIBRARY_PATH={named!r} is not a file: unset it if {_LIBRARY} is in /lib; {_libtpu_remedy()}'
        )
    library = named or _LIBRARY
    listed = [folder for folder in environ.get('LD_LIBRARY_PATH', '').split(':') if folder]
    searched = [*listed, *folders]
    if any(os.path.isfile(os.path.join(folder, library)) for folder in searched):
        return
    if _is_cached(library, loader_cache) or _in_pip_package():
        return
    raise errors.UserError(
        f'--use_tpu=true --tpu=local found no {library!r} in {", ".join(map(repr, searched))}, {loader_cache} or the '
        f'libtpu pip package: this is not a TPU VM, or the library is not installed; {_libtpu_remedy()}'
    )


def _libtpu_remedy() -> str:
    return (
        '--use_tpu=false trains on this machine; on a TPU VM take the '
        f'{SE_RUNTIME} runtime, or run curl -L {_LIBTPU} -o /lib/{_LIBRARY}'
    )


def _is_cached(library: str, loader_cache: str) -> bool:
    try:
        return f'/{library}\0'.encode() in pathlib.Path(loader_cache).read_bytes()
    except OSError:  # Not every system has one.
        return False


def _in_pip_package() -> bool:
    """TensorFlow builds after 2.15 also look in site-packages, and a backport of that must not be refused."""
    package = importlib.util.find_spec('libtpu')
    folders = package.submodule_search_locations if package else None
    return any(os.path.isfile(os.path.join(folder, _LIBRARY)) for folder in folders or ())


def _check_build(configure_op: str) -> None:
    """Looks for the kernel in the registry that a session uses when TPUEstimator configures the TPU.

    With --tpu=local that session runs in this process, so a build without the kernel always fails with "No OpKernel
    was registered", and refusing it costs nobody anything. TensorFlow's sources register the kernel in a static
    initialiser, with or without a TPU or libtpu, so this check touches neither. Weaker signs would mislead: the
    ordinary wheel has 22 kernels for the devices TPU and TPU_SYSTEM (control flow), and get_build_info() has no entry
    for TPUs. Both op names count, in case a build runs the op under its public name. Not tested on the TPU wheel: that
    it has the kernel was read in the sources, 2.4 to 2.11. The ordinary wheel 2.15.1 was tested and has none.
    """
    names = (configure_op, configure_op.lstrip('_'))
    if any(kernels.get_registered_kernels_for_op(name).kernel for name in names):
        return
    raise errors.UserError(
        f'TensorFlow {tf.__version__} on Python {platform.python_version()} is a build without TPU support: with '
        f'Python 3.10, pip install {_WHEEL}; --use_tpu=false trains without it'
    )
