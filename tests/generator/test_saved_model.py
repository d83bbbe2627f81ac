"""An export replaces only a SavedModel of ours, and one is in place at every moment."""

from __future__ import annotations

import io
import os
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1
from PIL import Image

from tests.conftest import SHIPPED, tiny_hparams, write_dataset, write_run
from trainer import errors
from trainer.filesystem import files
from trainer.generator import saved_model, signatures
from trainer.generator.sampler import ExportedGenerator
from trainer.options import RunOptions
from trainer.run import preflight

HPARAMS = tiny_hparams(**SHIPPED)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> str:
    return write_run(tmp_path_factory.mktemp('run'), 3, HPARAMS)


@pytest.fixture(scope='module')
def exported(checkpoint, tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp('exported') / 'saved_model'
    saved_model.export(HPARAMS, checkpoint, str(path))
    return path


@pytest.mark.parametrize('channels', [1, 3])
def test_the_pngs_are_the_pictures_of_the_seeds(channels, checkpoint, exported, tmp_path):
    if channels == 1:
        hparams = tiny_hparams(channels=1)
        exported = tmp_path / 'grey'
        saved_model.export(hparams, write_run(tmp_path, 3, hparams), str(exported))
    found = tf.saved_model.load(str(exported)).signatures
    chosen = {'seed': tf.constant(5), 'count': tf.constant(3)}
    (name, files_), pixels = next(iter(found['png'](**chosen).items())), found['seeds'](**chosen)['images'].numpy()
    assert name.endswith('_bytes')  # So TensorFlow Serving sends them in base64.
    decoded = [np.asarray(Image.open(io.BytesIO(png), formats=['PNG'])) for png in files_.numpy().tolist()]
    np.testing.assert_array_equal(np.stack(decoded).reshape(pixels.shape), pixels)


def test_a_row_of_instances_is_one_vector_of_each_input(exported):
    """As TensorFlow Serving and Vertex AI's prebuilt containers send {"instances": [{"seed": 9, "count": 1}, ...]}."""
    found = tf.saved_model.load(str(exported)).signatures
    for name, output in (('png', 'image_bytes'), ('seeds', 'images')):
        made = found[name](seed=tf.constant([9, -4]), count=tf.constant([1, 1]))[output].numpy()
        alone = [found[name](seed=tf.constant(seed), count=tf.constant(1))[output].numpy()[0] for seed in (9, -4)]
        assert all(np.array_equal(one, other) for one, other in zip(made, alone)) and len(made) == 2
        several = found[name](seed=tf.constant([9, 0]), count=tf.constant([2, 1]))[output].numpy()
        assert len(several) == 3 and np.array_equal(several[0], alone[0])


def test_an_export_of_before_the_pngs_is_still_ours(checkpoint, tmp_path, monkeypatch):
    build = signatures.build

    def of_before(*args):
        return {name: one for name, one in build(*args).items() if name != 'png'}

    with monkeypatch.context() as patched:
        patched.setattr(signatures, 'build', of_before)
        saved_model.export(HPARAMS, checkpoint, str(tmp_path / 'model'))
    assert set(tf.saved_model.load(str(tmp_path / 'model')).signatures) == {'serving_default', 'seeds'}
    assert saved_model.is_ours(str(tmp_path / 'model'))
    generator = ExportedGenerator(str(tmp_path / 'model'))
    assert generator.images(generator.latents([1, 2])).shape == (2, 32, 32, 3)
    saved_model.check(str(tmp_path / 'model'))


def listing(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def thesis(folder: pathlib.Path, exported: pathlib.Path) -> None:
    (folder / 'thesis.docx').write_bytes(b'a year')


def hidden(folder: pathlib.Path, exported: pathlib.Path) -> None:
    (folder / '.git').mkdir()


def beside_ours(folder: pathlib.Path, exported: pathlib.Path) -> None:
    shutil.copytree(exported, folder, dirs_exist_ok=True)
    (folder / 'notes.txt').write_text('mine')


def among_our_variables(folder: pathlib.Path, exported: pathlib.Path) -> None:
    shutil.copytree(exported, folder, dirs_exist_ok=True)
    (folder / 'variables' / 'mine.txt').write_text('mine')


def another_model(folder: pathlib.Path, exported: pathlib.Path) -> None:
    module = tf.Module()
    module.double = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec([])])
    tf.saved_model.save(module, str(folder), signatures={'serving_default': module.double.get_concrete_function()})


def a_graph_that_is_none(folder: pathlib.Path, exported: pathlib.Path) -> None:
    (folder / 'saved_model.pb').write_bytes(b'\xff' * 100)


@pytest.mark.parametrize(
    'fill', [thesis, hidden, beside_ours, among_our_variables, another_model, a_graph_that_is_none]
)
def test_what_is_not_ours_is_refused_before_the_work_and_stays(fill, exported, checkpoint, tmp_path):
    fill(tmp_path, exported)
    before = listing(tmp_path)
    with pytest.raises(errors.UserError, match=f'--export_dir={tmp_path} holds .*, which is not a generator exp'):
        saved_model.check(str(tmp_path))
    with pytest.raises(errors.UserError, match='would be replaced: choose another folder, or an empty one'):
        saved_model.export(HPARAMS, checkpoint, str(tmp_path))
    assert listing(tmp_path) == before
    assert [path.name for path in tmp_path.parent.glob(f'*{tmp_path.name}*')] == [tmp_path.name]


@pytest.mark.parametrize('kind', ['absent', 'empty', 'ours', 'a link to ours'])
def test_what_is_absent_empty_or_ours_is_replaced(kind, exported, checkpoint, tmp_path):
    path = tmp_path / 'model'
    if kind == 'empty':
        path.mkdir()
    if kind.endswith('ours'):
        shutil.copytree(exported, tmp_path / 'real')
        (tmp_path / 'real' / 'variables' / 'variables.index').write_bytes(b'old')
        (tmp_path / 'real').rename(path) if kind == 'ours' else path.symlink_to('real')
    saved_model.check(str(path))
    saved_model.export(HPARAMS, checkpoint, str(path))
    assert path.is_symlink() == (kind == 'a link to ours')
    assert tf.saved_model.load(str(path)).signatures['seeds'](seed=tf.constant(1), count=tf.constant(2))
    assert len(list(tmp_path.iterdir())) == 1 + path.is_symlink()


def test_without_an_exchange_in_one_step_the_graph_comes_last(exported, checkpoint, tmp_path, monkeypatch):
    """Without such an exchange, and in a bucket, a kill in between leaves the whole old graph or none."""
    path = tmp_path / 'model'
    shutil.copytree(exported, path)
    monkeypatch.setattr(saved_model, '_exchanged', lambda *_: False)
    copied = []
    copy = tf.io.gfile.copy
    monkeypatch.setattr(tf.io.gfile, 'copy', lambda *args, **more: (copied.append(args[1]), copy(*args, **more)))
    saved_model.export(HPARAMS, checkpoint, str(path))
    assert copied[-1] == f'{path}/saved_model.pb' and len(copied) >= 3
    assert saved_model.is_ours(str(path)) and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize('when', ['before the weights are written', 'before it is put in its place'])
def test_whatever_ends_an_export_the_old_one_is_there(when, exported, checkpoint, tmp_path, monkeypatch):
    path = tmp_path / 'model'
    shutil.copytree(exported, path)
    before = listing(path)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    if when.startswith('before the weights'):
        monkeypatch.setattr(v1.saved_model.Builder, 'save', interrupted)
    else:
        monkeypatch.setattr(saved_model, '_publish', interrupted)
    with pytest.raises(KeyboardInterrupt):
        saved_model.export(HPARAMS, checkpoint, str(path))
    assert listing(path) == before and len(list(tmp_path.iterdir())) == 1


def test_what_came_into_the_folder_meanwhile_stays(checkpoint, tmp_path, monkeypatch):
    path = tmp_path / 'model'
    save = v1.saved_model.Builder.save

    def slow(builder, *args, **more):
        path.mkdir()
        (path / 'thesis.docx').write_bytes(b'a year')
        return save(builder, *args, **more)

    monkeypatch.setattr(v1.saved_model.Builder, 'save', slow)
    with pytest.raises(errors.UserError, match='holds thesis.docx'):
        saved_model.export(HPARAMS, checkpoint, str(path))
    assert listing(path) == {'thesis.docx': b'a year'}


def test_a_kill_leaves_a_temporary_folder_that_nothing_takes_for_a_model(tmp_path):
    temporary = files.temporary_beside(str(tmp_path / 'model'))
    assert os.path.dirname(temporary) == str(tmp_path) and os.path.basename(temporary) != 'model'
    assert files.temporary_beside(str(tmp_path / 'model')) != temporary


@pytest.mark.parametrize(
    ('export_dir', 'flag'),
    [
        ('data', '--train_data'), ('.', '--train_data'), ('data/below', '--train_data'), ('run', ''),
        ('run/best', '--model_dir'), ('run/samples', '--model_dir'), ('link/below', '--train_data'),
    ],
)  # fmt: skip
def test_a_folder_that_the_run_needs_is_none_to_export_into(export_dir, flag, tmp_path):
    data = write_dataset(tmp_path / 'data')
    (tmp_path / 'link').symlink_to('data')
    options = RunOptions(model_dir=str(tmp_path / 'run'), export_dir=f'{tmp_path}/{export_dir}')
    if not flag:  # The run's own folder stands for its usual place, and is never replaced.
        assert options.export_dir == f'{tmp_path}/run/saved_model'
        return
    reason = f'and {flag}=.* overlap' if 'data' != export_dir != '.' else 'holds .*, which is not a generator'
    with pytest.raises(errors.UserError, match=f'--export_dir=.* {reason}'):
        preflight.check([data], options)


def test_in_a_bucket_the_rule_is_the_same(gcs, exported, checkpoint):
    path = f'{gcs.bucket}/model'
    gcs.server.put(f'{path}/thesis.docx', b'a year')
    with pytest.raises(errors.UserError, match=f'--export_dir={path} holds thesis.docx'):
        saved_model.check(path)
    gcs.server.remove(f'{path}/thesis.docx')
    for _ in range(2):
        saved_model.export(HPARAMS, checkpoint, path)
        names = {name[len(path) + 1 :] for name in gcs.server.paths(path)}
        assert {name for name in names if not name.endswith('/')} == set(listing(exported))
