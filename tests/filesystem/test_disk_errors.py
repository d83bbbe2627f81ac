"""A disk error is one line with the path, what is wrong and the fix; other errors are left alone."""

from __future__ import annotations

import errno
import os
import resource
import threading

import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer import errors, quiet
from trainer.filesystem import disk_errors

OP = tf.constant


def of_tensorflow(message: str) -> tf.errors.OpError:
    return tf.errors.ResourceExhaustedError(None, None, message)


@pytest.mark.parametrize(
    ('error', 'kind', 'message'),
    [
        (OSError(errno.ENOSPC, 'x', 'run/a'), errors.Transient, 'run/a: the disk is full: make room'),
        (OSError(errno.ENOSPC, 'x'), errors.Transient, 'the disk is full: make room'),
        (OSError(errno.EACCES, 'x', b'run/a'), errors.UserError, 'run/a: this account has no permission'),
        (OSError(errno.EROFS, 'x', 'a'), errors.UserError, 'a: the disk is read-only'),
        (OSError(errno.ENOTDIR, 'x', 'a'), errors.UserError, 'a: there is a file where a folder should be'),
        (OSError(errno.EMFILE, 'x'), errors.UserError, 'too many files are open: allow more'),
        (
            RuntimeError('run/events.1; No space left on device\n\tFailed to flush 4 events'),
            errors.Transient,
            'run/events.1: the disk is full: make room',
        ),
        (
            IndexError('run/events.1; File too large\n\tFailed to flush 4 events'),
            errors.UserError,
            'run/events.1: a file would be larger than this disk',
        ),
        (OSError(errno.EFBIG, 'x'), errors.UserError, 'a file would be larger than this disk or ulimit -f allows'),
        (OSError(errno.ENOTCONN, 'x'), errors.Transient, 'the network disk is gone: mount it again'),
        (OSError(errno.EBUSY, 'x', 'a'), errors.UserError, 'a: device or resource busy: choose another folder'),
        (MemoryError(), errors.UserError, 'out of memory'),
        (
            of_tensorflow('run/my x/file; Permission denied'),
            errors.UserError,
            'run/my x/file: this account has no permission',
        ),
        (
            of_tensorflow(
                'Graph execution error:\n\nNode: save\n'
                'run/model.ckpt-10_temp/part-0.data-0.tempstate142; No space left on device\n\t [[node save]]'
            ),
            errors.Transient,
            'run: the disk is full',
        ),
        (of_tensorflow('x; Too many open files'), errors.UserError, 'x: too many files are open'),
        (of_tensorflow('OOM when allocating tensor with shape [9]'), errors.UserError, 'out of memory'),
    ],
)
def test_each_trouble_has_its_line_and_its_exit_code(error, kind, message):
    told = disk_errors.explain(error)
    assert type(told) is kind
    assert str(told).startswith(message) and '\n' not in str(told)


@pytest.mark.parametrize(
    'error',
    [ValueError('x'), ConnectionResetError(errno.ECONNRESET, 'x'), OSError('no number'), OSError(errno.EBUSY, 'x'),
     RuntimeError('No space left on device'), IndexError('list index out of range'),
     tf.errors.InvalidArgumentError(None, None, 'shapes differ'), errors.UserError('told already')],
)  # fmt: skip
def test_other_errors_are_not_of_a_disk(error):
    assert disk_errors.explain(error) is None


def test_a_writer_of_events_that_fails_is_one_line(tmp_path, monkeypatch, caplog):
    """It fails in its own thread, with other error types than TensorFlow's files."""
    logger = tf.get_logger()
    monkeypatch.setattr(threading, 'excepthook', threading.excepthook)
    monkeypatch.setattr(logger, 'filters', list(logger.filters))
    monkeypatch.setattr(logger, 'level', logger.level)
    quiet.quieten_tensorflow()
    with tf.Graph().as_default():
        writer = v1.summary.FileWriter(str(tmp_path))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        with (
            pytest.raises(errors.UserError, match='a file would be larger than'),
            disk_errors.explained('--model_dir=x'),
        ):
            writer.add_summary(v1.Summary(value=[v1.Summary.Value(tag='x' * 900, simple_value=0.0)]), 1)
            writer.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert 'writer thread error' not in caplog.text


def test_real_ones_are_known(tmp_path):
    (tmp_path / 'file').touch()
    for cause in (
        lambda: tf.io.gfile.GFile(str(tmp_path / 'file' / 'x'), 'wb').write(b'x'),
        lambda: tf.io.gfile.makedirs(str(tmp_path / 'file' / 'x')),
        lambda: os.makedirs(tmp_path / 'file' / 'x'),
        lambda: os.listdir(tmp_path / 'none'),
        lambda: (tmp_path / 'x').symlink_to('x') or (tmp_path / 'x').read_bytes(),
    ):
        with (
            pytest.raises(errors.UserError, match='--output_dir=o cannot be written'),
            disk_errors.explained('--output_dir=o'),
        ):
            cause()
