"""What is missing, or does not fit, is told with the command that mends it, before anything is imported."""

from __future__ import annotations

import shlex
import sys

import pytest

from trainer import errors
from trainer.pjrt import devices, installation

FITS = {'jax': '0.7.1', 'jaxlib': '0.7.1', 'ml_dtypes': '0.5.4', 'libtpu': '0.0.20', 'jax-cuda12-plugin': '0.7.1'}
CASES = {
    '': {},
    'JAX, which is not installed': {'jax': ''},
    'jax 0.6.2 or newer and below 0.7.2, and this is 0.10.2': {'jax': '0.10.2', 'jaxlib': '0.10.2'},
    'below 0.7.2, and this is 0.5.3': {'jax': '0.5.3', 'jaxlib': '0.5.3'},
    'jax 0.7.1 beside jaxlib 0.6.2': {'jaxlib': '0.6.2'},
    'needs ml_dtypes 0.5, and this is 0.3.2, probably because TensorFlow': {'ml_dtypes': '0.3.2'},
}


def told(monkeypatch, kind: str = 'cpu', **changes: str) -> str:
    monkeypatch.setattr(installation, '_version', {**FITS, **changes}.__getitem__)
    try:
        installation.check(kind)
    except errors.UserError as error:
        assert '\n' not in str(error)
        return str(error)
    return ''


@pytest.mark.parametrize(('words', 'changes'), CASES.items())
def test_what_is_wrong_is_told_with_its_cure(words, changes, monkeypatch):
    monkeypatch.setattr(sys, 'version_info', (3, 11, 7))
    message = told(monkeypatch, **changes)
    assert words in message
    assert message.endswith(installation.command('cpu')) or not words


@pytest.mark.parametrize(('kind', 'plugin'), [('tpu', 'libtpu'), ('gpu', 'jax-cuda12-plugin')])
def test_a_missing_plugin_is_told(kind, plugin, monkeypatch):
    monkeypatch.setattr(sys, 'version_info', (3, 10, 2))
    assert told(monkeypatch, kind) == ''
    assert f'without {plugin}, and so without a {kind.upper()}' in told(monkeypatch, kind, **{plugin: ''})


def test_python_3_9_is_told_so(monkeypatch):
    monkeypatch.setattr(sys, 'version_info', (3, 9, 18))
    assert 'needs Python 3.10 or 3.11, and this is 3.9' in told(monkeypatch)


def test_the_command_is_one_for_a_shell():
    words = shlex.split(installation.command('tpu'))
    assert words == ['pip', 'install', 'jax[tpu]>=0.6.2,<0.7.2', 'numpy<2', 'etils[epath]']
    assert tuple(words[2:]) == installation.requirements('tpu')


def test_several_hosts_are_refused_before_jax_waits_for_them():
    """No matter which JAX is here: the variable is looked at first."""
    with pytest.raises(
        errors.UserError, match='this TPU has 4 hosts, and --runtime=pjrt trains on one: what is missing'
    ):
        devices.find('tpu', 0, '', {'TPU_WORKER_HOSTNAMES': 'a,b,c,d'})


def test_too_few_devices_and_the_wrong_ones_are_refused(jax, monkeypatch):
    monkeypatch.setattr(installation, 'check', lambda kind: None)  # libtpu is not here.
    with pytest.raises(errors.UserError, match=r'--replicas=5: JAX sees 4 devices \(cpu\)'):
        devices.find('cpu', 5, '', {})
    assert devices.find('cpu', 3, '', {}) == tuple(jax.devices()[:3])
    assert len(devices.find('tpu', 0, '', {'JAX_PLATFORMS': 'cpu'})) == 4
    with pytest.raises(errors.UserError, match=r'JAX finds no TPU \(it sees cpu\): end any other process'):
        devices.find('tpu', 0, '', {'JAX_PLATFORMS': 'tpu,cpu'})
