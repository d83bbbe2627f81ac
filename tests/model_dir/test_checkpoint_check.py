"""A checkpoint of another model or program ends in a one-line error, and leaves no hparams.json behind."""

from __future__ import annotations

import dataclasses

import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from tests.conftest import tiny_hparams, write_run
from tests.processes import run_module
from trainer import errors
from trainer.model_dir import checkpoint_check

HPARAMS = tiny_hparams()


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> str:
    """Of a run of which only the generator is kept."""
    return write_run(tmp_path_factory.mktemp('run'), 3, HPARAMS)


def foreign(folder) -> str:
    """A checkpoint of another program, under the name that Estimator gives its own."""
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable('layer/weights', [3, 3])
        session.run(v1.global_variables_initializer())
        return v1.train.Saver().save(session, str(folder / 'model.ckpt'), 7, write_meta_graph=False)


def test_the_generator_that_was_trained_passes(checkpoint):
    checkpoint_check.check(checkpoint, HPARAMS, to_train=False)


@pytest.mark.parametrize(
    'changes', [{'base_filters': 8}, {'noise_dim': 16}, {'channels': 1}, {'image_size': 64}, {'image_size': 128}]
)
def test_another_architecture_is_named(checkpoint, changes):
    with pytest.raises(errors.UserError) as raised:
        checkpoint_check.check(checkpoint, dataclasses.replace(HPARAMS, **changes), to_train=False)
    message = str(raised.value)
    ((name, value),) = changes.items()
    assert f'--{name}={value}' in message or 'variables are missing' in message
    assert 'give those that it was trained with, or choose another --model_dir' in message
    assert '\n' not in message


def test_a_run_that_did_not_average_has_no_average(tmp_path):
    plain = write_run(tmp_path, 1, dataclasses.replace(HPARAMS, ema_half_life_kimg=0.0))
    checkpoint_check.check(plain, dataclasses.replace(HPARAMS, ema_half_life_kimg=0.0), to_train=False)


def test_training_needs_both_networks_and_their_optimizers(checkpoint):
    with pytest.raises(errors.UserError, match='variables are missing'):
        checkpoint_check.check(checkpoint, HPARAMS, to_train=True)


def test_one_of_another_program_is_refused_and_leaves_no_hyper_parameters(tmp_path):
    checkpoint = foreign(tmp_path)
    with pytest.raises(errors.UserError, match='it comes from another program or from other hyper-parameters'):
        checkpoint_check.check(checkpoint, HPARAMS, to_train=False)
    before = sorted(path.name for path in tmp_path.iterdir())
    flags = ('--base_filters=4', '--noise_dim=8', '--train_batch_size=8', '--use_tpu=false', f'--model_dir={tmp_path}')
    ended = run_module('trainer.task', *flags, cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.splitlines()[-1].startswith(f'error: {checkpoint} has no ')
    assert not (tmp_path / 'hparams.json').exists()
    assert set(before) <= {path.name for path in tmp_path.iterdir()}
