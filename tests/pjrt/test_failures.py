"""Failures of the devices and of JAX's names end in one line."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from trainer import errors
from trainer.model_dir.divergence import NotFinite
from trainer.pjrt import estimator, private


class JaxRuntimeError(RuntimeError):
    """As JAX's own is named."""


@pytest.mark.parametrize(
    ('failure', 'kind', 'words'),
    [
        ('RESOURCE_EXHAUSTED: Out of memory\nallocating 17 GB', errors.UserError, 'lower --train_batch_size or --base'),
        (
            'INTERNAL: the core halted\nunexpectedly',
            errors.Transient,
            'the devices have failed (INTERNAL: the core halted',
        ),
    ],
)
def test_a_failure_of_the_devices_is_told_in_a_line(failure, kind, words):
    """TensorFlow passes on only the text of an exception, as an error of its own."""
    with pytest.raises(kind) as ended, estimator._explained(SimpleNamespace(failure=JaxRuntimeError(failure))):
        raise RuntimeError('XlaRuntimeError, as TensorFlow tells it')
    assert type(ended.value) is kind
    assert words in str(ended.value)
    assert '\n' not in str(ended.value)


def test_other_errors_pass():
    with pytest.raises(NotFinite), estimator._explained(SimpleNamespace(failure=None)):
        raise NotFinite('the loss is nan', 3)


@pytest.mark.usefixtures('jax')
def test_the_private_names_are_there(monkeypatch):
    private.check_names()
    monkeypatch.setattr(private, '_NAMES', {'jax._src.interpreters.mlir': ('merge_modules',)})
    with pytest.raises(
        errors.UserError, match=r'^jax [\d.]+ has no jax._src.interpreters.mlir.merge_modules, which was re'
    ):
        private.check_names()
