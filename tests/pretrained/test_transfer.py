"""A run that starts from the networks of another."""

from __future__ import annotations

import json
import logging
import pathlib
import re

import numpy as np
import pytest

from tests.conftest import tiny_hparams, write_dataset, write_run
from tests.run.test_experiment import run
from trainer import errors
from trainer.dcgan.hparams import HParams
from trainer.flags.declaration import rule_of
from trainer.generator import loading
from trainer.model_dir import checkpoints, hparams_file
from trainer.pretrained import packing, rescaling, transfer

MODULATED = {'generator_norm': HParams().generator_norm}


def train(data: str, folder: pathlib.Path, **changes) -> None:
    run(data, folder, **MODULATED, **changes)


def values(checkpoint: str) -> dict[str, np.ndarray]:
    reader = checkpoints.load_reader(checkpoint)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def of_networks(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value for name, value in found.items() if name.split('/')[0] in ('generator', 'discriminator')}


def recorded(model_dir: pathlib.Path) -> str:
    return json.loads((model_dir / 'hparams.json').read_text())['init_from']


def begin(folder: pathlib.Path, **changes) -> dict[str, np.ndarray]:
    """The variables that a run in `folder` would begin with."""
    folder.mkdir()
    return values(transfer.begin(tiny_hparams(**{**MODULATED, **changes}), str(folder)))


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> str:
    return write_dataset(tmp_path_factory.mktemp('data') / 'images')


@pytest.fixture(scope='module')
def first(tmp_path_factory, data) -> pathlib.Path:
    folder = tmp_path_factory.mktemp('first') / 'run'
    train(data, folder, train_steps=2, learning_rate=0.01)
    return folder


def test_it_begins_with_both_networks_and_nothing_of_the_others_training(first, data, tmp_path, caplog):
    caplog.set_level(logging.INFO, 'absl')
    folder = tmp_path / 'run'
    train(data, folder, train_steps=1, init_from=str(first), freeze_d_layers=2, learning_rate=0.01)
    theirs, began = values(f'{first}/model.ckpt-2'), values(f'{folder}/model.ckpt-0')
    assert set(theirs) == set(began)
    taken = [name for name in began if name.split('/')[0] in ('generator', 'discriminator', 'average')]
    for name, value in rescaling.rescaled(theirs, tiny_hparams(**MODULATED).architecture).items():
        if name in taken:
            np.testing.assert_array_equal(began[name], value, err_msg=name)
    assert not any(began[name].any() for name in began if name.endswith(('/Adam', '/Adam_1')))
    assert began['global_step'] == 0
    assert began['generator_optimizer/beta1_power'] == 0.5
    after = values(f'{folder}/model.ckpt-1')
    assert after['global_step'] == 1
    still = {name for name in of_networks(began) if np.array_equal(began[name], after[name])}
    parts = {'conv0/kernel', 'conv0/bias', 'conv1/kernel', 'conv1/bias', 'norm1/scale', 'norm1/offset'}
    assert still == {f'discriminator/{part}' for part in parts}  # The frozen ones; the others learn.
    assert f'starting from {first}, step 2: {len(taken)} variables' in caplog.text
    assert recorded(folder) == str(first)
    # The run continues as it began; asking for another start is an error that says so.
    train(data, folder, train_steps=2)
    assert recorded(folder) == str(first)
    hparams_file.check_fits(str(folder), tiny_hparams(init_from=str(first), **MODULATED))
    with pytest.raises(errors.UserError, match=f'--init_from=other: .* has already begun, from {first}: leave it out'):
        train(data, folder, train_steps=4, init_from='other')
    with pytest.raises(errors.UserError, match='has already begun, at random'):
        train(data, first, train_steps=4, init_from=str(folder))


def test_a_checkpoint_may_be_named(first, tmp_path):
    began = begin(tmp_path / 'run', init_from=f'{first}/model.ckpt-1.index')
    theirs = values(f'{first}/model.ckpt-1')
    np.testing.assert_array_equal(began['generator/deconv0/kernel'], theirs['generator/deconv0/kernel'])


def test_half_a_checkpoint_is_refused(first, tmp_path):
    for path in first.glob('model.ckpt-1.*'):
        data = path.read_bytes()
        (tmp_path / path.name).write_bytes(data[: len(data) // 2] if '.data-' in path.name else data)
    hparams_file.write(str(tmp_path), tiny_hparams())
    for place, message in (('model.ckpt-1', 'is not whole'), ('', 'none of the 1 checkpoints .* is whole')):
        with pytest.raises(errors.UserError, match=message):
            begin(tmp_path / f'run{place}', init_from=f'{tmp_path}/{place}')


def test_the_help_names_the_models_of_the_package():
    assert ' or '.join(packing.NAMES) in rule_of(HParams.__dataclass_fields__['init_from']).help


def test_networks_that_had_another_default_are_followed(tmp_path):
    write_run(tmp_path, 1, tiny_hparams(**MODULATED))
    hparams = transfer.sized(HParams(init_from=str(tmp_path)))
    assert (hparams.generator_output, hparams.generator_norm) == ('deconv', HParams().generator_norm)


def test_a_run_of_the_defaults_begins_with_a_model_of_the_package(tmp_path):
    """Its flags need not be given: its size is taken."""
    name = packing.NAMES[0]
    hparams = transfer.sized(HParams(init_from=name))
    assert (hparams.image_size, hparams.channels) == (32, 3)
    (tmp_path / 'run').mkdir()
    began = values(transfer.begin(hparams, str(tmp_path / 'run')))
    with packing.unpacked(name) as folder:
        theirs = values(checkpoints.newest_first(folder)[0])
    for variable in ('generator/norm1/hidden/kernel', 'average/generator/norm2/scale/kernel'):
        np.testing.assert_array_equal(began[variable], theirs[variable])
    for variable in ('generator/dense/kernel', 'average/generator/deconv1/kernel', 'discriminator/dense/kernel'):
        assert theirs[variable].std() > 0.06
        np.testing.assert_allclose(began[variable].std(), 0.02, rtol=0.02)


def test_an_average_that_was_never_kept_starts_from_the_weights():
    shapes = {'generator/dense/kernel': (8, 256)}
    for name in ('average/generator/dense/kernel', 'generator/dense/kernel'):
        assert transfer._name_in(shapes, name) == 'generator/dense/kernel'


def test_other_networks_are_refused_with_what_to_give(first, tmp_path):
    with pytest.raises(errors.UserError) as caught:
        begin(tmp_path / 'run', init_from=str(first), base_filters=5, minibatch_stddev=True)
    assert re.fullmatch(
        f'--init_from={first} fits [0-9]+ of [0-9]+ variables, not average/generator/deconv0/kernel: give '
        '--base_filters=4 --minibatch_stddev=False, or --init_partial to take what fits',
        str(caught.value),
    )
    assert not checkpoints.newest_first(str(tmp_path / 'run'))


def test_other_networks_with_the_same_variables_are_refused_too(first, tmp_path):
    filtered = {'init_from': str(first), 'generator_upsampling': 'filtered'}
    with pytest.raises(errors.UserError, match='give --generator_upsampling=plain, or --init_partial to take its vari'):
        begin(tmp_path / 'refused', **filtered)
    assert begin(tmp_path / 'run', init_partial=True, **filtered)


def test_what_fits_is_taken_where_that_is_asked_for(first, tmp_path, caplog):
    began = begin(tmp_path / 'run', init_from=str(first), minibatch_stddev=True, init_partial=True)
    theirs = values(f'{first}/model.ckpt-2')
    np.testing.assert_array_equal(began['generator/deconv0/kernel'], theirs['generator/deconv0/kernel'])
    assert began['discriminator/dense/kernel'].shape == (4 * 4 * 17, 1)
    assert 'does not fit discriminator/dense/kernel: they start at random' in caplog.text


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'init_from': 'nowhere'}, '--init_from=nowhere is not a run with a checkpoint and hparams.json: give a'),
        ({'freeze_d_layers': 1}, '--freeze_d_layers=1 needs a run to start from: add --init_from=RUN'),
        ({'init_partial': True}, '--init_partial needs a run to start from'),
        (
            {'init_from': 'first', 'freeze_d_layers': 4},
            '--freeze_d_layers=4 is too many: at 32 px the discriminator has 3',
        ),
        (
            {'init_from': 'first', 'init_partial': True, 'freeze_d_layers': 1, 'discriminator_input': 'features'},
            '--freeze_d_layers=1 would freeze discriminator/features_conv/bias at random values, bec',
        ),
    ],
)
def test_what_cannot_be_started_from_ends_in_one_line(changes, message, first, tmp_path):
    if changes.get('init_from') == 'first':
        changes = {**changes, 'init_from': str(first)}
    with pytest.raises(errors.UserError) as caught:
        begin(tmp_path / 'run', **changes)
    assert message in str(caught.value)
    assert not (tmp_path / 'run' / 'checkpoint').exists()


def test_a_packed_model_makes_the_pictures_of_its_run(first, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, 'FOLDER', tmp_path)
    monkeypatch.setattr(packing, 'NAMES', ('tiny',))
    packing.pack(str(first), f'{first}/model.ckpt-2', str(tmp_path / 'tiny.npz'))
    noise = np.random.default_rng(0).normal(size=[4, 8]).astype(np.float32)
    whole = loading.load(str(first), 'last')
    with packing.unpacked('tiny') as folder:
        packed = loading.load(folder)
        assert packed.step == 2
        discriminator = values(f'{folder}/model.ckpt-2')['discriminator/conv0/kernel']
    difference = packed.generator.images(noise).astype(int) - whole.generator.images(noise)
    assert np.abs(difference).max() <= 2  # float16 keeps three digits.
    kernel = values(f'{first}/model.ckpt-2')['discriminator/conv0/kernel']
    np.testing.assert_allclose(discriminator, kernel, rtol=1e-3, atol=1e-7)  # float16's smallest step is 6e-8.


def test_a_conditional_run_starts_from_one_without_classes(first, tmp_path):
    """The class's own weights start at 0, so the first pictures are those of the other run."""
    conditional = {'condition': 'labels', 'condition_after_kimg': 0.0, 'classes': 2, 'init_from': str(first)}
    with pytest.raises(errors.UserError, match='give --condition=none --classes=0, or --init_partial'):
        begin(tmp_path / 'refused', **conditional)
    begun = begin(tmp_path / 'run', init_partial=True, **conditional)
    scales = [value.ravel() for name, value in begun.items() if name.endswith('class_scale/kernel')]
    assert len(scales) == 2 * 3  # Three norms, and the EMA of each.
    assert not np.concatenate(scales).any()
    hparams_file.write(str(tmp_path / 'run'), tiny_hparams(**{**MODULATED, **conditional, 'init_partial': True}))
    wider = {**conditional, 'classes': 3, 'init_from': str(tmp_path / 'run')}
    with pytest.raises(errors.UserError, match='give --classes=2, or --init_partial'):
        begin(tmp_path / 'wider', **wider)
    assert transfer.sized(tiny_hparams(**{**MODULATED, **wider, 'classes': 0})).classes == 0  # Of the new data.
