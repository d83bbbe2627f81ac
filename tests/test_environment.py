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


def test_what_tensorflow_dies_of_is_kept_from_it_and_told_to_the_check_of_the_tpu():
    """A missing plug-in ended the import of TensorFlow with a traceback, before anything could refuse it."""
    code = (
        'import trainer, os; import tensorflow; '
        'from trainer import environment; from trainer.machine import tpu_runtime\n'
        'assert "TF_PLUGGABLE_DEVICE_LIBRARY_PATH" not in os.environ\n'
        'tpu_runtime.check_runtime(environment.as_given())'
    )
    variables = {'TF_PLUGGABLE_DEVICE_LIBRARY_PATH': '/none.so', 'TF_USE_LEGACY_KERAS': '1', 'PYTHONPATH': str(ROOT)}
    ended = subprocess.run(
        [sys.executable, '-c', code], env={**os.environ, **variables}, capture_output=True, text=True, timeout=60
    )
    assert "TF_PLUGGABLE_DEVICE_LIBRARY_PATH='/none.so' selects the PJRT runtime" in ended.stderr


def test_variables_are_hidden_and_come_back(monkeypatch):
    monkeypatch.setenv('MPLBACKEND', 'nonsense')
    with environment.without('MPLBACKEND'):
        assert 'MPLBACKEND' not in os.environ
    assert os.environ['MPLBACKEND'] == 'nonsense'
