from __future__ import annotations

import dataclasses
import json
import logging

import pytest

from tests.conftest import tiny_hparams
from trainer import errors
from trainer.dcgan.hparams import HParams
from trainer.model_dir import hparams_file


def test_what_was_trained_is_remembered(tmp_path):
    model_dir = str(tmp_path / 'new')
    assert hparams_file.read(model_dir) is None
    hparams_file.write(model_dir, tiny_hparams(seed=5))
    assert hparams_file.read(model_dir) == tiny_hparams(seed=5)


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('image_size', 64), ('channels', 1), ('base_filters', 8), ('noise_dim', 9), ('discriminator_norm', 'none'),
        ('minibatch_stddev', True), ('generator_upsampling', 'filtered'),
    ],
)  # fmt: skip
def test_another_architecture_is_refused_naming_both_values(tmp_path, field, value):
    before = tiny_hparams()
    hparams_file.write(str(tmp_path), before)
    old = getattr(before, field)
    with pytest.raises(errors.UserError, match=f'trained with --{field}={old} and cannot go on with {value}: give'):
        hparams_file.check_change(str(tmp_path), dataclasses.replace(before, **{field: value}))


def test_the_filter_is_of_kernels_of_four_only():
    with pytest.raises(errors.UserError, match='kernels of 4 px and --kernel_size=5: give --kernel_size=4'):
        tiny_hparams(generator_upsampling='filtered', kernel_size=5)


def test_a_run_of_before_goes_on_as_it_was_where_the_flags_say_nothing(tmp_path, caplog):
    before = HParams(
        image_size=32, channels=3, generator_norm='batch', kernel_size=5, generator_output='deconv', base_filters=4,
        augment_target=0.0, ema_half_life_kimg=0.0, generator_upsampling='plain',
    )  # fmt: skip
    hparams_file.write(str(tmp_path), before)
    with caplog.at_level(logging.INFO, 'absl'):
        now = hparams_file.continued(str(tmp_path), HParams(base_filters=4))
    assert (now.architecture, now.augment_target, now.ema_half_life_kimg) == (before.architecture, 0.0, 0.0)
    assert f'--kernel_size=5, as in {tmp_path}' in caplog.text
    assert hparams_file.continued(str(tmp_path), HParams(base_filters=8)).base_filters == 8  # Refused by check_fits.
    # A default that has not changed is not filled in, so the difference is refused as before.
    hparams_file.write(str(tmp_path), dataclasses.replace(before, minibatch_stddev=True))
    assert not hparams_file.continued(str(tmp_path), HParams(base_filters=4)).minibatch_stddev
    hparams_file.write(str(tmp_path), before)
    given = hparams_file.continued(str(tmp_path), HParams(base_filters=4, discriminator_norm='none'))
    with pytest.raises(errors.UserError, match='trained with --discriminator_norm=batch and cannot go on with none'):
        hparams_file.check_change(str(tmp_path), given)


def test_another_learning_rate_is_taken_and_logged(tmp_path, caplog):
    hparams_file.write(str(tmp_path), tiny_hparams())
    with caplog.at_level(logging.INFO, 'absl'):
        hparams_file.check_change(str(tmp_path), tiny_hparams(learning_rate=0.1))
    assert '--learning_rate changes from 0.0004 to 0.1' in caplog.text


@pytest.mark.parametrize(
    ('name', 'value', 'others'), [('ema_half_life_kimg', 5.0, (20.0, 0.0)), ('augment_target', 0.5, (0.6, 0.0))]
)
def test_an_average_and_an_adaptive_share_are_kept_from_the_start_or_not_at_all(tmp_path, name, value, others):
    hparams_file.write(str(tmp_path), tiny_hparams(**{name: 0.0}))
    with pytest.raises(errors.UserError, match=f'trained with --{name}=0.0 and cannot go on with {value}'):
        hparams_file.check_change(str(tmp_path), tiny_hparams(**{name: value}))
    hparams_file.write(str(tmp_path), tiny_hparams(**{name: value}))
    for other in others:
        hparams_file.check_change(str(tmp_path), tiny_hparams(**{name: other}))


def test_a_run_of_a_version_that_knew_less_is_what_it_was(tmp_path):
    """Its pictures stay the same too, even if the defaults have changed since."""
    hparams_file.write(str(tmp_path), tiny_hparams())
    path = tmp_path / hparams_file.FILE_NAME
    known = json.loads(path.read_text())
    for name in ('discriminator_norm', 'augment', 'flip', 'ema_half_life_kimg', 'minibatch_stddev', 'train_kimg'):
        del known[name]
    path.write_text(json.dumps(known))
    found = hparams_file.read(str(tmp_path))
    assert (found.discriminator_norm, found.augment, found.ema_half_life_kimg) == ('batch', 'none', 0.0)
    assert found.train_steps == tiny_hparams().train_steps


@pytest.mark.parametrize(
    ('changes', 'steps'),
    [
        ({}, 6000),
        ({'train_steps': 7}, 7),
        ({'train_kimg': 1.0}, 63),
        ({'train_kimg': 1.008}, 63),
        ({'train_kimg': 2.0}, 125),
    ],
)
def test_the_length_is_given_in_steps_or_in_thousands_of_images(changes, steps):
    """In batches of 16; the last one is full."""
    found = HParams(**changes)
    assert found.train_steps == steps
    assert dataclasses.replace(found, seed=1).train_steps == steps


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / hparams_file.FILE_NAME).write_text('{"image_size":')
    with pytest.raises(errors.UserError, match=r'hparams\.json cannot be read .*restore it, or choose another'):
        hparams_file.read(str(tmp_path))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'loss': 'hinge', 'label_smoothing': 0.1}, 'no meaning with --loss=hinge.*non_saturating, least_squares'),
        ({'label_smoothing': 1.0}, '--label_smoothing=1.0 must be below 1'),
        ({'beta1': 1.0}, '--beta1=1.0 must be below 1'),
        (
            {'train_steps': 10, 'train_kimg': 1.0},
            '--train_steps=10 and --train_kimg=1, which is 125 steps of 8 images, both say where training ends',
        ),
        ({'augment': 'flip'}, "--augment=flip: 'flip' is not an augmentation"),
        ({'loss': 'wasserstein'}, 'diverges without a penalty: add --gradient_penalty=10'),
    ],
)
def test_what_does_not_go_together_is_refused(changes, message):
    with pytest.raises(errors.UserError, match=message):
        tiny_hparams(**changes)


def test_size_and_channels_are_left_to_the_data():
    defaults = HParams()
    assert (defaults.image_size, defaults.channels) == (0, 0)
    assert defaults.sized(64, 1) == HParams(image_size=64, channels=1, generator_upsampling='filtered')
    assert HParams(image_size=32).sized(64, 1) == HParams(image_size=32, channels=1, generator_upsampling='plain')


@pytest.mark.parametrize(
    ('changes', 'upsampling'),
    [
        ({}, 'filtered'),
        ({'image_size': 64}, 'filtered'),
        ({'image_size': 32}, 'plain'),
        ({'kernel_size': 5}, 'plain'),
        ({'generator_upsampling': 'plain'}, 'plain'),
        ({'image_size': 32, 'generator_upsampling': 'filtered'}, 'filtered'),
    ],
)
def test_a_filter_is_left_to_the_size_and_the_kernels(changes, upsampling):
    hparams = HParams(**changes).sized(128, 3)
    assert hparams.generator_upsampling == hparams.architecture.generator_upsampling == upsampling
    assert HParams(**{'image_size': 128, **changes}).architecture.generator_upsampling == upsampling


@pytest.mark.parametrize(('size', 'upsampling'), [(128, 'plain'), (64, 'plain'), (32, 'filtered')])
def test_a_run_keeps_its_filter_where_the_flags_say_nothing(tmp_path, size, upsampling):
    hparams_file.write(str(tmp_path), tiny_hparams(image_size=size, generator_upsampling=upsampling))
    now = hparams_file.continued(str(tmp_path), tiny_hparams(image_size=size, generator_upsampling='auto'))
    assert now.generator_upsampling == upsampling
    hparams_file.check_change(str(tmp_path), now)
