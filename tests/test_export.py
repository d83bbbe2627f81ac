"""The command trainer.export, and what a run exports at its end."""

from __future__ import annotations

import logging
import os
import pathlib
import re
import shutil

import numpy as np
import pytest

from tests.conftest import tiny_hparams, write_dataset, write_run
from tests.exports import trained
from tests.exports.trained import FORMATS, HAS_ONNX
from tests.processes import run_module
from tests.run.test_experiment import run
from trainer import errors, export
from trainer.export import ExportOptions
from trainer.exports import conversion, tflite_file
from trainer.generator import saved_model
from trainer.generator.sampler import ExportedGenerator
from trainer.options import TFLITE, RunOptions
from trainer.run import preflight

ALL = {'saved_model', 'generator.onnx', 'generator.tflite', 'model_card.md', 'samples.png'}


@pytest.fixture(scope='module')
def model_dir(tmp_path_factory) -> pathlib.Path:
    """A run without anything in `export`."""
    folder = tmp_path_factory.mktemp('run')
    write_run(folder, 3, tiny_hparams())
    return folder


def listed(folder: os.PathLike | str) -> set[str]:
    return {name for name in os.listdir(folder) if not name.startswith('.')}


def exported(model_dir: os.PathLike | str, **options) -> list[conversion.Measured]:
    return export.export(ExportOptions(model_dir=str(model_dir), **options))


def test_the_command_writes_all_formats_and_says_how_they_do(tmp_path_factory, tmp_path):
    """Of a run with classes; and what converters print is not seen."""
    source = trained.model_dir(tmp_path_factory)
    ended = run_module(
        'trainer.export', f'--model_dir={source}', f'--format={FORMATS}', '--float16', '--output_dir=out', cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stderr
    assert all(re.match(r'\d\d:\d\d:\d\d [^\n]+$', line) for line in ended.stderr.splitlines()), ended.stderr
    *lines, last = ended.stdout.splitlines()
    assert [line.partition(':')[0] for line in lines] == [
        'saved_model', *(['generator.onnx'] if HAS_ONNX else []), 'generator.tflite',
    ]  # fmt: skip
    assert re.fullmatch(r'saved_model: \d\.\d\d MB, \d+\.\d ms an image', lines[0])
    for line in lines[1:]:
        assert re.match(r'\S+: 0\.\d\d MB, weights in float16, \d+\.\d ms an image, (at most|the pictures)', line), line
    assert last == 'model card: out/model_card.md'
    assert listed(tmp_path / 'out') == ALL - (set() if HAS_ONNX else {'generator.onnx'})
    assert '| float16 |' in (tmp_path / 'out' / 'model_card.md').read_text()
    generator = ExportedGenerator(str(tmp_path / 'out' / 'saved_model'))
    content = (tmp_path / 'out' / 'generator.tflite').read_bytes()
    latents = generator.latents([1, 2, 3])
    pictures = tflite_file.TfliteGenerator(content, generator).images(latents).astype(int)
    assert np.abs(pictures - generator.images(latents)).max() <= 8


def test_an_export_is_replaced_by_the_next_and_anything_else_stays(model_dir, tmp_path):
    place = tmp_path / 'export'
    for format_, made in (('tflite', {'generator.tflite'}), ('savedmodel', {'generator.tflite', 'saved_model'})):
        exported(model_dir, format=format_, output_dir=str(place))
        assert listed(place) == made | {'model_card.md', 'samples.png'}
    assert 'Of an earlier export, and not described here: `generator.tflite`' in (place / 'model_card.md').read_text()
    (place / 'saved_model' / 'thesis.docx').write_text('a year')
    with pytest.raises(errors.UserError, match=r'--output_dir=.*saved_model holds thesis\.docx'):
        exported(model_dir, format='savedmodel', output_dir=str(place))
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'generator.tflite').write_text('mine')
    with pytest.raises(errors.UserError, match=r'holds generator\.tflite, which python -m trainer\.export has not'):
        exported(model_dir, format='tflite', output_dir=str(tmp_path / 'mine'))
    assert (tmp_path / 'mine' / 'generator.tflite').read_text() == 'mine'


def test_a_file_with_other_pictures_is_refused_and_nothing_is_left(model_dir, tmp_path, monkeypatch):
    other = tmp_path / 'other'
    other.mkdir()
    saved_model.export(tiny_hparams(), write_run(other, 3, tiny_hparams()), str(tmp_path / 'model'))
    stranger = ExportedGenerator(str(tmp_path / 'model'))
    wrong = (lambda _, float16: tflite_file.convert(stranger, float16), tflite_file.TfliteGenerator)
    monkeypatch.setitem(conversion.CONVERTERS, TFLITE, wrong)
    with pytest.raises(errors.UserError, match=r'generator\.tflite makes other pictures .* by up to \d+ grey levels'):
        exported(model_dir, format='savedmodel,tflite', output_dir=str(tmp_path / 'out'))
    assert not (tmp_path / 'out').exists()


def test_a_saved_model_alone_can_be_exported(model_dir, tmp_path):
    saved_model.export(tiny_hparams(), str(model_dir / 'model.ckpt-3'), str(tmp_path / 'model'))
    options = ExportOptions(saved_model=str(tmp_path / 'model'), output_dir=str(tmp_path / 'out'), format='tflite')
    (found,) = export.export(options)
    assert found.difference <= 1
    text = (tmp_path / 'out' / 'model_card.md').read_text()
    assert '| Training data | unknown |' in text and 'model`, seen from this folder' in text


def test_an_export_may_go_to_a_bucket(gcs, model_dir):
    for _ in range(2):
        exported(model_dir, format='savedmodel,tflite', output_dir=f'{gcs.bucket}/export')
    paths = {path[len(gcs.bucket) + 1 :] for path in gcs.server.paths(gcs.bucket) if not path.endswith('/')}
    assert {f'export/{name}' for name in ('generator.tflite', 'model_card.md', 'samples.png')} <= paths
    assert {path for path in paths if path.startswith('export/saved_model/')} >= {'export/saved_model/saved_model.pb'}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({}, 'give one of --model_dir=FOLDER'),
        ({'model_dir': 'a', 'saved_model': 'b'}, 'give one of --model_dir=FOLDER'),
        ({'saved_model': 'a'}, 'give --output_dir=FOLDER'),
        ({'pretrained': 'clothes32', 'output_dir': 'a', 'checkpoint': 'best'}, '--checkpoint=best chooses from a'),
        (
            {'model_dir': 'a', 'format': 'onnx,tensorrt'},
            "--format=onnx,tensorrt: 'tensorrt' is none of savedmodel, o",
        ),
        ({'model_dir': 'a', 'format': ''}, "--format=: '' is none of"),
        ({'model_dir': 'a', 'format': 'savedmodel', 'float16': True}, '--float16 is for onnx and tflite'),
        ({'model_dir': 'nothing here', 'format': 'savedmodel'}, 'holds no training run'),
    ],
)
def test_what_cannot_be_exported_is_one_line(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.UserError, match=message):
        export.export(ExportOptions(**options))
    assert not list(tmp_path.iterdir())


def test_a_run_refuses_at_its_start_what_it_could_not_export(tmp_path, monkeypatch):
    data = write_dataset(tmp_path / 'data')
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    options = RunOptions(str(tmp_path / 'run'), export_format='onnx')
    with pytest.raises(errors.UserError, match='--export_format=onnx.* onnx'):
        preflight.check([data], options)
    (tmp_path / 'run' / 'export').mkdir(parents=True)
    write_run(tmp_path / 'run', 3, tiny_hparams())
    (tmp_path / 'run' / 'export' / 'thesis.docx').write_text('a year')
    with pytest.raises(errors.UserError, match=r'--model_dir=.*/export holds thesis\.docx'):
        preflight.check([data], RunOptions(str(tmp_path / 'run'), export_format='tflite'))
    with pytest.raises(errors.UserError, match="--export_format=pb: 'pb' is none of savedmodel, onnx, tflite"):
        RunOptions(export_format='pb')


def test_whatever_fails_after_the_saved_model_does_not_lose_it(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, 'absl')
    data, model_dir = write_dataset(tmp_path / 'data'), tmp_path / 'run'

    def fails(*_):
        raise RuntimeError('no such operation')

    monkeypatch.setattr(tflite_file, 'frozen', fails)
    with pytest.raises(errors.UserError, match=r'generator\.tflite cannot be made .*no such operation.* to try again'):
        run(data, model_dir, train_steps=1, export_format='tflite')
    assert saved_model.is_ours(str(model_dir / 'saved_model'))
    assert (model_dir / 'samples' / 'progress.gif').exists() and not (model_dir / 'export').exists()
    monkeypatch.undo()
    assert run(data, model_dir, train_steps=1) == 0  # The same run, finished: only the card is written.
    assert listed(model_dir / 'export') == {'model_card.md', 'samples.png'}
    drawn = (model_dir / 'samples' / 'step_000001.png').read_bytes()
    assert (model_dir / 'export' / 'samples.png').read_bytes() == drawn
    os.remove(model_dir / 'samples' / 'step_000001.png')
    assert run(data, model_dir, train_steps=1) == 0
    assert (model_dir / 'export' / 'samples.png').read_bytes() != drawn  # Drawn again; it names what made it.
    shutil.rmtree(model_dir / 'export')
    (model_dir / 'export').write_text('mine')
    caplog.clear()
    assert run(data, model_dir, train_steps=1) == 0
    assert 'no model card: ' in caplog.text and (model_dir / 'export').read_text() == 'mine'
