from __future__ import annotations

import logging
import pathlib

import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer import errors
from trainer.model_dir import checkpoints


def save(model_dir: pathlib.Path, *steps: int) -> None:
    """Writes a checkpoint for each step, with 1,000 numbers in it."""
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable('weights', [1000])
        saver = v1.train.Saver()
        session.run(v1.global_variables_initializer())
        for step in steps:
            saver.save(session, str(model_dir / 'model.ckpt'), step)


def cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_nothing_trained_yet(tmp_path):
    assert checkpoints.recover(str(tmp_path)) == ''
    assert checkpoints.recover(str(tmp_path / 'absent')) == ''
    assert checkpoints.step_of('') == 0


def test_the_newest_of_whole_checkpoints(tmp_path):
    save(tmp_path, 5, 10, 100)
    assert checkpoints.recover(str(tmp_path)) == str(tmp_path / 'model.ckpt-100')
    assert checkpoints.step_of(str(tmp_path / 'model.ckpt-100')) == 100


@pytest.mark.parametrize('part', ['index', 'data-00000-of-00001'])
def test_a_checkpoint_cut_short_falls_back_and_says_so(tmp_path, caplog, part):
    save(tmp_path, 5, 10)
    cut(tmp_path / f'model.ckpt-10.{part}')
    with caplog.at_level(logging.WARNING, 'absl'):
        assert checkpoints.recover(str(tmp_path)) == str(tmp_path / 'model.ckpt-5')
    assert 'model.ckpt-10 is not whole' in caplog.text
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / 'model.ckpt-5')


def test_a_damaged_number_is_found(tmp_path):
    save(tmp_path, 5, 10)
    data = tmp_path / 'model.ckpt-10.data-00000-of-00001'
    content = bytearray(data.read_bytes())
    content[100] ^= 1
    data.write_bytes(content)
    assert checkpoints.recover(str(tmp_path)) == str(tmp_path / 'model.ckpt-5')


@pytest.mark.parametrize('state', [None, 'model_checkpoint_path: "model.ckpt-5"\n'])
def test_a_state_file_that_is_lost_or_late_is_mended(tmp_path, state):
    save(tmp_path, 5, 10)
    (tmp_path / 'checkpoint').unlink()
    if state:
        (tmp_path / 'checkpoint').write_text(state)
    assert checkpoints.recover(str(tmp_path)) == str(tmp_path / 'model.ckpt-10')
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / 'model.ckpt-10')


def test_no_whole_checkpoint_is_an_error_and_not_a_fresh_start(tmp_path):
    save(tmp_path, 5)
    cut(tmp_path / 'model.ckpt-5.data-00000-of-00001')
    with pytest.raises(errors.UserError, match='none of the 1 checkpoints in .* is whole'):
        checkpoints.recover(str(tmp_path))
