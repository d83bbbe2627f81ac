"""JAX with four CPU devices, which stand for the TPU cores or the GPUs of a machine."""

from __future__ import annotations

from types import ModuleType

import pytest

from trainer import errors
from trainer.pjrt import installation

DEVICES = 4


@pytest.fixture(scope='session')
def jax(tmp_path_factory) -> ModuleType:
    """JAX, which compiles each program once."""
    try:
        installation.check(installation.CPU)
    except errors.UserError as error:
        pytest.skip(f'not tested here, because {error}')
    import jax

    jax.config.update('jax_platforms', 'cpu')
    jax.config.update('jax_num_cpu_devices', DEVICES)
    jax.config.update('jax_compilation_cache_dir', str(tmp_path_factory.mktemp('jax')))
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
    return jax
