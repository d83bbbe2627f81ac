"""Environment variables are honoured, ignored on purpose, or refused with a one-line error."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from trainer import environment, errors

ONE = {'cluster': {'chief': ['job-0:2222']}, 'environment': 'cloud', 'task': {'type': 'chief', 'index': 0}}
TWO = {'cluster': {'chief': ['a:2222'], 'worker': ['b:2222']}, 'task': {'type': 'worker', 'index': 0}}


@pytest.mark.parametrize('config', ['', '{}', json.dumps(ONE), json.dumps({'task': None, 'cluster': {}})])
def test_one_machine_is_no_cluster(config):
    environ = {'TF_CONFIG': config, 'HOME': '/root'}
    environment.settle(environ)
    assert environ == {'HOME': '/root'}


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('TF_CONFIG', json.dumps(TWO), 'TF_CONFIG describes 2 machines, and this one as worker: the trainer uses one'),
        ('TF_CONFIG', json.dumps({'task': {'type': 'evaluator'}}), 'this one as evaluator'),
        ('TF_CONFIG', 'chief', 'describes no machines that Estimator knows: unset it'),
        ('TF_CONFIG', '[1]', 'describes no machines'),
        ('TF_CONFIG', '{"cluster": {"chief": 7}}', 'describes no machines'),
        ('TF_TPU_WATCHDOG_TIMEOUT', '1h', "TF_TPU_WATCHDOG_TIMEOUT='1h' is not a number of seconds"),
        (
            'TF_TPU_GRACEFUL_SHUTDOWN_MODE',
            'now',
            'is not one of shutdown_worker, shutdown_all_workers, reset_computation',
        ),
    ],
)
def test_what_estimator_would_hang_or_crash_on_is_refused(name, value, message):
    with pytest.raises(errors.UserError, match=message):
        environment.settle({name: value})


def broken_jax(folder) -> str:
    """A path with JAX beside the ml_dtypes that TensorFlow asks for; importing it fails as the real one does."""
    for name, version in {'jax': '0.7.1', 'ml_dtypes': '0.3.2'}.items():
        (folder / f'{name}-{version}.dist-info').mkdir()
        (folder / f'{name}-{version}.dist-info' / 'METADATA').write_text(f'Name: {name}\nVersion: {version}\n')
    (folder / 'jax.py').write_text('import ml_dtypes\nml_dtypes.float4_of_a_newer_version\n')
    return str(folder)


def test_what_tensorflow_dies_of_is_kept_from_it_and_told_to_the_check_of_the_tpu(tmp_path):
    """A missing plug-in, or a JAX that cannot be imported, ended the import of TensorFlow with a traceback."""
    code = (
        'import trainer, os, tensorflow; '
        'from trainer import environment; from trainer.machine import tpu_runtime\n'
        'assert "TF_PLUGGABLE_DEVICE_LIBRARY_PATH" not in os.environ\n'
        'try: import jax\n'
        'except AttributeError as error: print(error)\n'
        'tpu_runtime.check_runtime(environment.as_given())'
    )
    path = os.pathsep.join([broken_jax(tmp_path), str(ROOT)])
    variables = {'TF_PLUGGABLE_DEVICE_LIBRARY_PATH': '/none.so', 'TF_USE_LEGACY_KERAS': '1', 'PYTHONPATH': path}
    ended = subprocess.run(
        [sys.executable, '-c', code], env={**os.environ, **variables}, capture_output=True, text=True, timeout=60
    )
    assert 'float4_of_a_newer_version' in ended.stdout
    assert "TF_PLUGGABLE_DEVICE_LIBRARY_PATH='/none.so' selects the PJRT runtime" in ended.stderr


def test_variables_are_hidden_and_come_back(monkeypatch):
    monkeypatch.setenv('MPLBACKEND', 'nonsense')
    with environment.without('MPLBACKEND'):
        assert 'MPLBACKEND' not in os.environ
    assert os.environ['MPLBACKEND'] == 'nonsense'
