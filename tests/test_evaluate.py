from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import open_image, smooth_images, tiny_hparams, write_dataset, write_run
from tests.processes import run_module
from tests.run.test_gcs_training import upload
from trainer import errors, evaluate
from trainer.data import image_set, images
from trainer.evaluate import EvaluateOptions
from trainer.evaluation import measurement, report
from trainer.evaluation.measurement import Measure, Settings, Vectors
from trainer.evaluation.pictures import Generated
from trainer.features import extraction, registry
from trainer.features.pixels import Pixels
from trainer.features.space import Space
from trainer.generator import loading

NAMES = ['kid', 'precision', 'recall', 'density', 'coverage', 'twins', 'copying_z', 'copying_nearer', 'copying_close']


@pytest.fixture(scope='module')
def run(tmp_path_factory) -> str:
    """The files of a run that an evaluation needs: hyper-parameters and a checkpoint of step 2 with initial weights."""
    folder = tmp_path_factory.mktemp('run')
    write_run(folder, 2, tiny_hparams())
    return str(folder)


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> str:
    return write_dataset(tmp_path_factory.mktemp('evaluated') / 'data', train=60, holdout=30)


def options(run: str, data: str, output_dir: object = '', **changes) -> EvaluateOptions:
    defaults = {'extractor': 'pixels', 'count': 40, 'subsets': 10}
    return EvaluateOptions(model_dir=run, data=data, output_dir=str(output_dir), **{**defaults, **changes})


def test_a_run_is_measured_shown_and_written(run, data, tmp_path):
    report = evaluate.evaluate(options(run, data, tmp_path))
    found = json.loads((tmp_path / 'evaluation_step_000002.json').read_text())
    assert list(found['metrics']) == NAMES
    for name, values in found['metrics'].items():
        assert np.isfinite([values['generated'], values['real']]).all()
        assert f'\n{name} ' in report
        assert f'\n  {name} ' in report
    assert found['images'] == {'generated': 40, 'training': 60, 'holdout': 30}
    assert found['extractor'] == {
        'name': 'pixels',
        'version': Pixels.version,
        'title': Pixels.title,
        'layer': 'grey16',
    }
    assert (found['checkpoint'], found['step'], found['image_size'], found['channels']) == ('last', 2, 32, 3)
    assert found['data_checksum'] == image_set.open_both(data)[0].checksum
    assert found['metrics']['kid']['parameters'] == {'subsets': 10, 'subset_size': 20, 'real_subset_size': 15}
    assert found['metrics']['coverage']['compared'] == '40 generated, 40 training images'
    assert found['metrics']['coverage']['real_compared'] == '30 training images against 30 others'
    assert open_image(tmp_path / 'evaluation_step_000002.png').size == (7 * 32, 6 * 32)
    assert '30 hold-out, 60 training images' in report
    assert 'last checkpoint, step 2' in report


def test_the_same_command_gives_the_same_numbers(run, data, tmp_path):
    for name in ('one', 'two'):
        evaluate.evaluate(options(run, data, tmp_path / name))
    one, two = ((tmp_path / name / 'evaluation_step_000002.json').read_bytes() for name in ('one', 'two'))
    assert one == two


def test_without_a_hold_out_halves_stand_in_and_copying_is_not_tested(run, tmp_path):
    data = write_dataset(tmp_path / 'data', holdout=0)
    report = evaluate.evaluate(options(run, data, tmp_path / 'out'))
    found = json.loads((tmp_path / 'out' / 'evaluation_step_000002.json').read_text())['metrics']
    assert list(found) == NAMES[:6]
    assert found['kid']['real_compared'] == 'two random halves of the training images, 12 each'
    assert 'copying was not tested: no hold-out' in report


def test_a_tiny_hold_out_is_none(run, dataset32, tmp_path):
    report = evaluate.evaluate(options(run, dataset32, tmp_path / 'out'))
    assert 'copying was not tested: 8 hold-out images, fewer than 20' in report


def test_the_data_of_the_demo_are_found_and_results_go_into_the_run(run, data, tmp_path):
    for name in ('hparams.json', 'model.ckpt-2.index', 'model.ckpt-2.data-00000-of-00001'):
        (tmp_path / name).write_bytes((pathlib.Path(run) / name).read_bytes())
    with pytest.raises(errors.UserError, match='does not say what it was trained on: give --data'):
        evaluate.evaluate(options(str(tmp_path), ''))
    pathlib.Path(data).rename(tmp_path / 'data')
    try:
        evaluate.evaluate(options(str(tmp_path), ''))
    finally:
        (tmp_path / 'data').rename(data)
    assert (tmp_path / 'evaluation' / 'evaluation_step_000002.json').exists()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'count': 11}, '11 generated images are too few for --k=5, which needs 12: give --count=12'),
        ({'k': 30}, '60 training images are too few for --k=30, which needs 62: give more images'),
        ({'checkpoint': 'best'}, 'has no best checkpoint'),
    ],
)
def test_what_cannot_be_measured_is_one_line(run, data, changes, message):
    with pytest.raises(errors.UserError, match=message):
        evaluate.evaluate(options(run, data, **changes))


@pytest.mark.parametrize(('size', 'channels'), [(64, 3), (32, 1)])
def test_data_of_another_geometry_are_refused(run, tmp_path, size, channels):
    other = write_dataset(tmp_path / 'other', size, channels)
    message = f'holds images of {size}x{size}x{channels}, and the generator in .* makes 32x32x3: give the --data'
    with pytest.raises(errors.UserError, match=message):
        evaluate.evaluate(options(run, other))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({}, 'give one of --model_dir=FOLDER, .*, and --samples=FOLDER'),
        ({'model_dir': 'run', 'samples': 'pictures'}, 'give one of --model_dir=FOLDER'),
        ({'samples': 'pictures'}, '--samples=pictures needs a data set to compare with: give --data=FOLDER'),
        ({'samples': 'pictures', 'data': 'data', 'checkpoint': 'last'}, '--checkpoint chooses from a --model_dir'),
    ],
)
def test_one_thing_is_measured(changes, message):
    with pytest.raises(errors.UserError, match=message):
        EvaluateOptions(**changes)


def of_samples(path: pathlib.Path, data: str, output_dir: pathlib.Path, **changes) -> dict:
    given = {'extractor': 'pixels', 'subsets': 10, 'count': 0, **changes}
    evaluate.evaluate(EvaluateOptions(samples=str(path), data=data, output_dir=str(output_dir), **given))
    return json.loads(next(output_dir.glob('*.json')).read_text())


def test_pictures_of_another_tool_get_the_numbers_of_a_run_that_made_them(run, data, tmp_path):
    """As a folder of files, and as an array."""
    evaluate.evaluate(options(run, data, tmp_path / 'run'))
    expected = json.loads((tmp_path / 'run' / 'evaluation_step_000002.json').read_text())
    pixels = Generated(loading.load(run).generator, 40).part(0, 40)
    for i, picture in enumerate(pixels):
        images.write_png(str(tmp_path / 'made' / f'{i // 20}' / f'{i:03d}.png'), picture)
    (tmp_path / 'made' / 'note.txt').write_text('not a picture')
    (tmp_path / 'made' / '0' / 'half.png').write_bytes((tmp_path / 'made' / '0' / '000.png').read_bytes()[:90])
    np.savez(tmp_path / 'made.npz', images=pixels)
    for path, out in ((tmp_path / 'made', tmp_path / 'folder'), (tmp_path / 'made.npz', tmp_path / 'array')):
        found = of_samples(path, data, out)
        assert found['metrics'] == expected['metrics']
        assert found['samples'] == str(path)
        assert (out / 'evaluation_of_made.png').read_bytes() == next((tmp_path / 'run').glob('*.png')).read_bytes()
    assert of_samples(tmp_path / 'made', data, tmp_path / 'few', count=20)['images']['generated'] == 20


def test_pictures_of_another_size_are_brought_to_that_of_the_data(data, tmp_path):
    for i, picture in enumerate(smooth_images(12, 48)):
        images.write_png(str(tmp_path / 'made' / f'{i}.png'), picture[:, : 48 - i])
    assert of_samples(tmp_path / 'made', data, tmp_path / 'out')['images']['generated'] == 12


@pytest.mark.parametrize(
    ('array', 'message'),
    [
        (np.zeros([4, 32, 32, 3], np.float32), r'holds float32 \[4, 32, 32, 3\]: save uint8 \[N, H, W, C\]'),
        (np.zeros([4, 3, 32, 32], np.uint8), r'holds uint8 \[4, 3, 32, 32\]: save uint8'),
        (np.array([None]), 'cannot be read: Object arrays cannot be loaded'),
        (None, 'holds no picture: give a folder of image files, or an .npz'),
        (b'PK', 'cannot be read'),
        ('', 'made.npz does not exist: correct the path'),
    ],
    ids=['float', 'channels first', 'objects', 'empty folder', 'no array', 'nothing'],
)
def test_samples_that_are_none_are_refused(array, message, data, tmp_path):
    path = tmp_path / 'made.npz'
    if array is None:
        path = tmp_path / 'made'
        path.mkdir()
    elif isinstance(array, str):
        assert not path.exists()
    elif isinstance(array, bytes):
        path.write_bytes(array)
    else:
        np.savez(path, array)
    with pytest.raises(errors.UserError, match=message):
        of_samples(path, data, tmp_path / 'out')


@pytest.mark.parametrize(('train', 'count'), [(256, 1_000), (3_567, 3_567), (30_000, 10_000)])
def test_as_many_images_are_made_as_there_are_but_1000_to_10000(train, count):
    assert measurement.default_count(train) == count


def test_fid_keras_is_measured_by_inception(run, data, tmp_path, monkeypatch):
    class Stand(Pixels):
        name = 'inception'

    monkeypatch.setitem(registry.EXTRACTORS, 'inception', lambda weights: Stand())
    report = evaluate.evaluate(options(run, data, tmp_path, fid_keras=True))
    found = json.loads((tmp_path / 'evaluation_step_000002.json').read_text())['metrics']
    assert list(found) == [*NAMES, 'fid_keras']
    assert found['fid_keras']['generated'] > found['fid_keras']['real'] > 0
    assert '\n  fid_keras' in report


def test_in_a_bucket(run, data, gcs):
    model_dir, in_bucket = upload(run, gcs, 'run'), upload(data, gcs, 'data')
    evaluate.evaluate(options(model_dir, in_bucket))
    found = json.loads(gcs.server.get(f'{model_dir}/evaluation/evaluation_step_000002.json'))
    assert list(found['metrics']) == NAMES
    assert gcs.server.get(f'{model_dir}/evaluation/evaluation_step_000002.png').startswith(b'\x89PNG')


def test_the_command_with_the_default_extractor(run, data, tmp_path):
    args = (f'--model_dir={run}', f'--data={data}', '--count=20', f'--output_dir={tmp_path}')
    ended = run_module('trainer.evaluate', *args, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert f'by {registry.make(registry.DEFAULT).title}, layer ' in ended.stdout
    assert 'coverage' in ended.stdout


def pictures(count: int, seed: int) -> np.ndarray:
    """Images of one kind that differ in 36 places, uint8 [count, 32, 32, 3]."""
    coarse = np.random.default_rng(seed).uniform(0, 255, [count, 6, 6, 1]).astype(np.float32)
    fine = tf.clip_by_value(tf.image.resize(coarse, [32, 32], 'bicubic'), 0, 255).numpy()
    return np.round(np.repeat(fine, 3, axis=3)).astype(np.uint8)


TRAIN, HOLDOUT = pictures(400, seed=1), pictures(100, seed=2)


def measured(generated: np.ndarray) -> dict[str, Measure]:
    train, holdout, made = (extraction.of_pixels(x, Pixels())['grey16'] for x in (TRAIN, HOLDOUT, generated))
    space = Space.of(train)
    vectors = Vectors(space.embed(train), space.embed(made), space.embed(holdout))
    return {measure.name: measure for measure in measurement.measure(vectors, Settings(subsets=10))}


def test_new_real_images_get_what_real_images_get():
    found = measured(pictures(400, seed=3))
    assert abs(found['kid'].generated - found['kid'].real) < 0.1
    for name in ('precision', 'recall', 'coverage', 'twins', 'copying_nearer', 'copying_close'):
        assert found[name].generated == pytest.approx(found[name].real, abs=0.1), name
    assert found['coverage'].generated > 0.9
    assert abs(found['copying_z'].generated) < 3


def test_a_generator_of_few_images_is_seen_by_recall_coverage_and_twins():
    found = measured(np.tile(pictures(8, seed=3), [50, 1, 1, 1]))
    assert found['recall'].generated < 0.1
    assert found['coverage'].generated < 0.4 < 0.9 < found['coverage'].real
    assert (found['twins'].generated, found['twins'].real) == (1, 0)
    assert found['kid'].generated > 5 * found['kid'].real_spread


def test_a_generator_of_copies_is_seen_by_the_copying_test_alone():
    found = measured(TRAIN)
    assert found['copying_z'].generated < -10
    assert (found['copying_nearer'].generated, found['copying_close'].generated) == (1, 1)
    assert found['coverage'].generated == found['precision'].generated == 1
    assert abs(found['kid'].generated) < 0.1


def test_a_generator_of_noise_is_seen_by_precision_and_kid():
    noise = np.random.default_rng(0).integers(0, 256, [400, 32, 32, 3], dtype=np.uint8)
    found = measured(noise)
    assert found['precision'].generated < 0.1
    assert found['density'].generated < 0.1
    assert found['copying_z'].generated > 3
    assert found['kid'].generated > 0.05


def test_every_metric_says_how_to_read_it():
    measures = [Measure(name, 0.25, 0.5, '3 generated images', '3 others') for name in report.MEANINGS]
    text = report.table('A run', measures, ['a remark'])
    assert text.startswith('A run\n')
    assert text.endswith('a remark')
    assert 'generated images are near 25% of the training images; low means mode collapse' in text
    assert f'  {", ".join(report.MEANINGS)}: 3 generated images; 3 others' in text
