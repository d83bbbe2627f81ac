"""The real loop on tiny networks: train -> evaluate -> sample -> resume -> export -> generate."""

from __future__ import annotations

import logging
import pathlib
import re
import shutil
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import SHIPPED, open_image, smooth_images, tiny_hparams, write_dataset, write_shard
from tests.data.test_records import cifar_record
from trainer import errors, generate, quiet
from trainer.data import dataset, manifest
from trainer.dcgan import fitting
from trainer.generator import sampler
from trainer.machine.options import MachineOptions
from trainer.model_dir import checkpoints, hparams_file
from trainer.options import DataOptions, RunOptions
from trainer.run import device_timing, experiment, input_report


class Run(NamedTuple):
    """A data set and what was trained on it."""

    data: str
    model_dir: pathlib.Path

    def copy(self, folder: pathlib.Path) -> pathlib.Path:
        return shutil.copytree(self.model_dir, folder / 'run')


def run(data: str, model_dir: pathlib.Path, shape: dict | None = None, **changes) -> int:
    """Runs a tiny experiment; keywords go to the options that know them."""
    known = RunOptions.__dataclass_fields__
    tiny = {'sample_steps': 1, 'save_steps': 1, 'eval_steps': 0, 'log_steps': 1, 'sample_count': 4}
    tiny |= {'eval_samples': 16, 'extractor': 'pixels'}
    options = RunOptions(str(model_dir), **{**tiny, **{k: v for k, v in changes.items() if k in known}})
    model = tiny_hparams(**(shape or {}), **{k: v for k, v in changes.items() if k not in known})
    return experiment.run(model, DataOptions(train_data=data), options, MachineOptions())


def scalars_in(model_dir: pathlib.Path) -> dict[str, list[int]]:
    """Tag -> the steps at which TensorBoard has a point for it."""
    found: dict[str, list[int]] = {}
    for path in sorted(model_dir.rglob('events.*')):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(event.step)
    return found


@pytest.fixture(scope='module')
def four_steps(tmp_path_factory) -> Run:
    """A run that tests examine, or continue in a copy."""
    folder = tmp_path_factory.mktemp('four_steps')
    data = write_dataset(folder / 'data')
    run(data, folder / 'run', train_steps=4, log_steps=2, sample_steps=2, save_steps=2)
    return Run(data, folder / 'run')


@pytest.mark.usefixtures('grappler')
@pytest.mark.parametrize(('size', 'channels', 'more'), [(32, 3, SHIPPED), (64, 1, {}), (128, 3, {})])
def test_the_whole_way_at_each_size(size, channels, more, tmp_path, caplog):
    data, model_dir = write_dataset(tmp_path / 'data', size, channels), tmp_path / 'run'
    shape = {'image_size': size, 'channels': channels, **more}
    caplog.set_level(logging.INFO, 'absl')
    assert run(data, model_dir, shape, eval_steps=2) == 0
    assert 'hold-out at step 2: D(real)' in caplog.text
    assert 'step 2/2 | 16 images | 0.7 epochs' in caplog.text

    grids = [open_image(model_dir / 'samples' / f'step_{step:06d}.png') for step in range(3)]
    assert {(grid.size, grid.mode) for grid in grids} == {((2 * size, 2 * size), 'RGB' if channels == 3 else 'L')}
    assert open_image(model_dir / 'samples' / 'real.png').size == (2 * size, 2 * size)
    assert open_image(model_dir / 'samples' / 'progress.gif').n_frames >= 2

    options = generate.GenerateOptions(
        model_dir=str(model_dir), checkpoint='last', count=4, output_dir=str(tmp_path / 'pictures')
    )
    (grid,) = generate.generate(generate.load(options), options)
    np.testing.assert_array_equal(np.asarray(open_image(grid)), np.asarray(grids[2]))


def test_a_run_stopped_between_checkpoints_ends_where_an_unbroken_one_does(four_steps, tmp_path, caplog):
    """Weights, noise and images follow from the seed and the step; samples return to their regular steps."""
    caplog.set_level(logging.INFO, 'absl')
    for steps in (3, 4):
        assert run(four_steps.data, tmp_path / 'broken', train_steps=steps, sample_steps=2, save_steps=2) == 0
    assert 'resuming' in caplog.text
    assert 'at step 3' in caplog.text
    drawn = {path.name for path in (tmp_path / 'broken' / 'samples').glob('step_*.png')}
    assert drawn == {f'step_{step:06d}.png' for step in (0, 2, 3, 4)}
    kernels = [
        tf.train.load_variable(str(path), 'discriminator/conv1/kernel')
        for path in (four_steps.model_dir, tmp_path / 'broken')
    ]
    np.testing.assert_allclose(*kernels, rtol=0, atol=1e-5)


def test_the_device_alone_is_timed_and_nothing_is_left_behind(tmp_path, caplog):
    caplog.set_level(logging.INFO, 'absl')
    options = RunOptions(str(tmp_path / 'run'), sample_steps=1, save_steps=1, log_steps=1)
    assert device_timing.time_device(tiny_hparams(train_steps=3), options, MachineOptions()) == 0
    assert re.search(r'the device alone: [1-9]\d* images/s', caplog.text)
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('images_per_s, verdict', [(1.0, 'not input-bound'), (1e9, '--cache'), (0.0, '')])
def test_a_run_says_whether_its_input_held_it_up(images_per_s, verdict, dataset32, caplog):
    caplog.set_level(logging.INFO, 'absl')
    source = dataset.verify(dataset.find(dataset32, manifest.TRAIN), 32, 3, 'auto', 'auto')
    input_report.log(source, tiny_hparams(), False, images_per_s)
    said = [record.getMessage() for record in caplog.records if 'input' in record.getMessage()]
    assert len(said) == bool(verdict)
    assert verdict in ''.join(said)


def test_foreign_records_train(tmp_path):
    write_shard(tmp_path / 'cifar.tfrecord', [cifar_record(picture) for picture in smooth_images(16, 32)])
    assert run(f'{tmp_path}/*.tfrecord', tmp_path / 'run') == 0


def test_tensorboard_gets_the_scalars_and_the_grids(four_steps):
    found = scalars_in(four_steps.model_dir)
    named = {'discriminator_loss', 'generator_loss', 'D_real', 'D_fake', 'images_per_s', 'epochs', 'samples'}
    assert named <= set(found)
    assert found['samples'] == [0, 2, 4]
    assert set(found['D_real']) <= {0, 2, 4}


def test_the_exported_model_needs_nothing_of_ours(four_steps):
    loaded = tf.saved_model.load(str(four_steps.model_dir / 'saved_model'))
    trained = sampler.CheckpointGenerator(tiny_hparams()).restore(checkpoints.recover(str(four_steps.model_dir)))
    vectors = trained.latents([5, 6, 7])
    of_noise = loaded.signatures['serving_default'](noise=tf.constant(vectors))['images']
    of_seeds = loaded.signatures['seeds'](seed=tf.constant(5), count=tf.constant(3))['images']
    assert (of_noise.dtype, of_noise.shape) == (tf.uint8, [3, 32, 32, 3])
    np.testing.assert_array_equal(of_noise, of_seeds)
    exported = sampler.ExportedGenerator(str(four_steps.model_dir / 'saved_model')).images(vectors)
    np.testing.assert_allclose(exported.astype(int), trained.images(vectors), atol=1)


def test_a_finished_run_says_so_and_ends_well(four_steps, tmp_path, caplog):
    caplog.set_level(logging.INFO, 'absl')
    assert run(four_steps.data, four_steps.copy(tmp_path), train_steps=4) == 0
    assert 'is finished at step 4: raise --train_steps' in caplog.text
    assert ' | ' not in caplog.text


def test_a_changed_architecture_is_refused(four_steps, tmp_path):
    with pytest.raises(errors.UserError, match='trained with --base_filters=4 and cannot go on with 8'):
        run(four_steps.data, four_steps.copy(tmp_path), {'base_filters': 8}, train_steps=5)


def test_a_mistake_before_the_first_step_binds_nobody(dataset32, tmp_path):
    with pytest.raises(errors.DataError, match='give --image_size=32'):
        run(dataset32, tmp_path / 'run', {'image_size': 64})
    assert run(dataset32, tmp_path / 'run') == 0


def test_a_checkpoint_cut_short_costs_its_steps_only(four_steps, tmp_path, caplog):
    model_dir = four_steps.copy(tmp_path)
    newest = model_dir / 'model.ckpt-4.data-00000-of-00001'
    newest.write_bytes(newest.read_bytes()[:1000])
    caplog.set_level(logging.INFO, 'absl')
    assert run(four_steps.data, model_dir, train_steps=5) == 0
    assert 'falling back' in caplog.text
    assert f'resuming {model_dir} at step 2' in caplog.text
    assert checkpoints.step_of(checkpoints.recover(str(model_dir))) == 5


def test_a_set_smaller_than_a_batch_names_both_numbers(dataset32, tmp_path):
    with pytest.raises(errors.DataError, match='holds 24 training images, fewer than --train_batch_size=32'):
        run(dataset32, tmp_path / 'run', train_batch_size=32)


def test_deprecation_warnings_of_tensorflow_are_one_line(dataset32, tmp_path, caplog):
    """Every run logs about thirty through the 'tensorflow' logger; the filter must leave other warnings alone."""
    logger = tf.get_logger()
    before = logger.level, list(logger.filters)
    try:
        quiet.quieten_tensorflow()
        with caplog.at_level(logging.WARNING):
            run(dataset32, tmp_path / 'run')
            logger.warning('something else')
    finally:
        logger.setLevel(before[0])
        logger.filters[:] = before[1]
    assert [record.getMessage() for record in caplog.records if record.name == 'tensorflow'] == ['something else']


def test_what_was_learned_is_on_record(dataset32, tmp_path, caplog):
    """With the resolved value of --augment=auto; the length of the run may be given in images."""
    caplog.set_level(logging.INFO, 'absl')
    run(dataset32, tmp_path / 'run', train_steps=0, train_kimg=0.016, augment='auto')
    learned = tiny_hparams(train_steps=2, train_kimg=0.016, augment='color,translation,cutout')
    assert hparams_file.read(str(tmp_path / 'run')) == learned
    assert '--augment=auto is color,translation,cutout, for 1 passes over 24 images' in caplog.text
    assert 'step 2/2 | 0.0 kimg | 0.7 epochs' in caplog.text


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        ({'train_steps': 3000}, ('none', 0.0)),  # 24,000 images, 30 passes over 800.
        ({'train_steps': 3001}, ('color,translation,cutout', 24.0)),
        ({'train_kimg': 144.0}, ('color,translation,cutout', 24.0)),
        ({'train_steps': 3001, 'augment_after_kimg': 5.0}, ('color,translation,cutout', 5.0)),
        ({'train_steps': 1, 'augment': 'cutout', 'augment_after_kimg': 5.0}, ('cutout', 5.0)),
    ],
)
def test_augmentation_begins_once_a_run_has_passed_over_its_images_often(changes, expected):
    found = fitting.fit_to_data(tiny_hparams(**{'train_steps': 0, 'augment': 'auto', **changes}), 800)
    assert (found.augment, found.augment_after_kimg) == expected


@pytest.mark.parametrize(
    ('augment', 'images', 'warns'), [('none', 8, True), ('none', 16, False), ('auto', 8, False), ('cutout', 8, False)]
)
def test_too_many_passes_over_images_that_stay_the_same_are_warned_of(augment, images, warns, caplog):
    fitting.fit_to_data(tiny_hparams(train_steps=2000, augment=augment), images)
    assert ('2,000 steps of 8 images are 2,000 passes over 8 images' in caplog.text) == warns
    assert ('give --augment=auto, a smaller --train_kimg, or more images' in caplog.text) == warns


def test_a_session_of_one_call_has_no_pace_to_log(tmp_path, caplog):
    """A TPU takes all steps to the next evaluation in one call if possible; its time is mostly compilation."""
    caplog.set_level(logging.INFO, 'absl')
    run(write_dataset(tmp_path / 'data'), tmp_path / 'run', eval_steps=1)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith('step ')]
    assert lines
    assert not any('images/s' in line for line in lines)
