"""TensorBoard's events: all writers put them in one place; each byte is uploaded to a bucket once."""

from __future__ import annotations

import collections
import dataclasses
import os

import tensorflow as tf
import tensorflow.compat.v1 as v1

from tests.conftest import tiny_hparams
from trainer.machine.options import MachineOptions
from trainer.model_dir.event_log import EventLog
from trainer.options import DataOptions, RunOptions
from trainer.run import experiment

STEPS = {'discriminator_loss', 'generator_loss', 'D_real', 'D_fake'}
ROOT = {'images_per_s', 'epochs', 'samples'}
EVAL = {'D(real)', 'D(fake)'}


def tags(folder: str) -> dict[str, list[int]]:
    """Tag -> its steps, over all event files of one folder."""
    found = collections.defaultdict(list)
    for path in sorted(tf.io.gfile.glob(os.path.join(folder, 'events.*'))):
        for event in v1.train.summary_iterator(path):
            for value in event.summary.value:
                found[value.tag].append(event.step)
    return found


def train(data: str, options: RunOptions, steps: int) -> None:
    options = dataclasses.replace(options, extractor='pixels', eval_samples=16)
    assert experiment.run(tiny_hparams(train_steps=steps), DataOptions(train_data=data), options, MachineOptions()) == 0


def test_every_writer_follows_tensorboard_dir(dataset32, tmp_path):
    folder = str(tmp_path / 'logs')
    options = RunOptions(
        str(tmp_path / 'run'), folder, sample_steps=2, save_steps=2, eval_steps=2, log_steps=1, sample_count=4
    )
    train(dataset32, options, steps=4)
    assert tags(folder).keys() >= ROOT
    assert tags(f'{folder}/eval').keys() >= EVAL
    assert tags(f'{folder}/train').keys() >= STEPS
    assert not list((tmp_path / 'run').rglob('events.*'))


def test_a_bucket_gets_every_event_and_no_byte_twice(gcs, dataset32, tmp_path):
    folder = f'{gcs.bucket}/logs'
    options = RunOptions(
        str(tmp_path / 'run'), folder, sample_steps=1, save_steps=1, eval_steps=2, log_steps=1, sample_count=64
    )
    train(dataset32, options, steps=4)
    assert tags(folder)['samples'] == list(range(5))
    assert tags(f'{folder}/train').keys() >= STEPS
    assert tags(f'{folder}/eval')['D(real)'] == [2, 4]
    sizes = {path: len(gcs.server.get(path)) for path in gcs.server.paths(f'{folder}/') if not path.endswith('/')}
    sent = [request for request in gcs.server.requests if request.method == 'PUT' and 'logs/' in request.path]
    growing = sum(size for path, size in sizes.items() if '/train/' in path)
    # Only the scalars of the steps, a few dozen bytes each, are uploaded again with each checkpoint.
    assert sum(request.request_bytes for request in sent) <= sum(sizes.values()) + len(sent) * growing
    assert growing < 0.05 * sum(sizes.values())
    assert max(collections.Counter(request.path for request in sent if '/train/' not in request.path).values()) == 1


def test_a_bucket_that_is_away_costs_no_run_and_gets_it_later(gcs, tmp_path, caplog):
    options = RunOptions(str(tmp_path), f'{gcs.bucket}/logs')
    with EventLog(options) as events:
        gcs.server.fault(503, match='logs', times=None)
        v1.summary.FileWriterCache.get(options.model_dir).add_summary(v1.Summary(), 1)
        events.publish()
        assert 'events could not be sent' in caplog.text and not gcs.server.paths(f'{gcs.bucket}/logs')
        gcs.server.clear_faults()
    assert len(gcs.server.paths(f'{gcs.bucket}/logs/events')) == 1


def test_the_writers_of_others_are_left_alone(tmp_path):
    options = RunOptions(str(tmp_path / 'run'))
    with EventLog(options):
        assert options.model_dir in v1.summary.FileWriterCache._cache
    assert options.model_dir not in v1.summary.FileWriterCache._cache
    assert not os.path.exists(options.model_dir)  # Nothing was written, so there is no file.
