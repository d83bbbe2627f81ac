"""Rules for every command: a help page, one-line errors, closed or full streams, Ctrl-C."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, smooth_images, tiny_hparams, write_dataset, write_run
from tests.processes import run_module, start_module
from trainer import errors
from trainer.data import images, manifest

COMMANDS = sorted(
    '.'.join(path.relative_to(ROOT).with_suffix('').parts)
    for package in ('trainer', 'convert')
    for path in (ROOT / package).rglob('*.py')
    if "__name__ == '__main__'" in path.read_text()
)
every_command = pytest.mark.parametrize('module', COMMANDS)
# A path flag of each command, and the other flags that it needs.
PATHS = {
    'convert.audit': ('data', ['--output_dir=out']),
    'convert.images_to_tfrecords': ('input_dir', ['--output_dir=out', '--image_size=32']),
    'convert.inspect_tfrecords': ('preview', ['x.tfrecord']),
    'convert.label': ('data', ['--output_dir=out']),
    'convert.ocr': ('input_dir', []),
    'trainer.chat': ('model_dir', []),
    'trainer.evaluate': ('model_dir', []),
    'trainer.explore': ('model_dir', []),
    'trainer.export': ('model_dir', []),
    'trainer.gain': ('model_dir', []),
    'trainer.generate': ('model_dir', []),
    'trainer.serve': ('model_dir', ['--port=0']),
    'trainer.task': ('train_data', ['--use_tpu=false']),
    'trainer.vertex_config': ('source_dir', []),
}


def test_they_are_those_that_are_known():
    assert set(PATHS) == set(COMMANDS)


@every_command
def test_help_is_a_page(module, tmp_path):
    ended = run_module(module, '--help', cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, '')
    assert f'python -m {module}' in ended.stdout and 'default ' in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 120


@every_command
def test_a_reader_that_goes_away_is_no_error(module, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = run_module(module, '--help', cwd=tmp_path, stdout=writer)
    finally:
        os.close(writer)
    assert ended.stderr == '' and ended.returncode in (0, 141), ended


@every_command
@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='this system has no /dev/full')
def test_a_full_disk_under_stdout_is_one_line(module, tmp_path):
    with open('/dev/full', 'w') as full:
        ended = run_module(module, '--help', cwd=tmp_path, stdout=full.fileno())
    assert ended.returncode == errors.Transient.exit_code, ended
    assert re.fullmatch(r'error: [^\n]*No space left on device[^\n]*\n', ended.stderr), ended.stderr


@pytest.mark.parametrize('closed', ['>&-', '2>&-', '<&- >&- 2>&-'])
def test_closed_streams_harm_nobody(closed, tmp_path):
    """The next opened file must not get the number of stderr, and with it the log."""
    write_dataset(tmp_path / 'data')
    command = f'"$PYTHON" -m convert.inspect_tfrecords data --preview=sheet.png {closed}'
    environment = {**os.environ, 'PYTHON': sys.executable, 'PYTHONPATH': str(ROOT)}
    ended = subprocess.run(['bash', '-c', command], cwd=tmp_path, env=environment, capture_output=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / 'sheet.png').read_bytes().startswith(b'\x89PNG')
    assert manifest.read(str(tmp_path / 'data'))


IMPOSSIBLE = ['https://example.com/x', '~nobody-here/x', 'a\x1b[2Jb', 'a\nb']


@pytest.mark.parametrize(
    ('module', 'value'),
    [*((module, 's3://bucket/x') for module in COMMANDS), *(('trainer.task', value) for value in IMPOSSIBLE)],
)
def test_a_path_that_cannot_be_is_one_line(module, value, tmp_path):
    name, others = PATHS[module]
    ended = run_module(module, f'--{name}={value}', *others, cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    assert re.fullmatch(rf'(\d\d:[^\n]*\n)*error: [^\n]*--{name}=[^\n]*\n', ended.stderr), ended.stderr
    assert '\x1b' not in ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    write_dataset(tmp_path / 'data')
    ended = run_module('convert.inspect_tfrecords', '~/data', '--preview=~/sheet.png', cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / 'sheet.png').exists() and not (tmp_path / '~').exists()


def write_photos(folder: pathlib.Path, count: int = 60) -> None:
    for i, picture in enumerate(smooth_images(count, 40)):
        images.write_png(str(folder / f'{i:03d}.png'), picture)


def test_control_c_is_one_line_and_130(tmp_path):
    """During the work, of which nothing is left behind."""
    write_run(tmp_path, 1, tiny_hparams())
    flags = ('--model_dir=.', '--count=1000000', '--output_dir=out', '--nogrid', '--singles')
    with start_module('trainer.generate', *flags, cwd=tmp_path) as process:
        while not (tmp_path / 'out').exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        log = process.stderr.read()
        assert process.wait(60) == 130, log
    assert log.splitlines()[-1] == 'error: interrupted' and 'Traceback' not in log


def test_two_converters_at_once_make_one_data_set(tmp_path):
    """One makes it, the other is refused: there is no mixture, and no set without its manifest."""
    for name in ('a', 'b'):
        write_photos(tmp_path / name, {'a': 60, 'b': 45}[name])
    flags = ('--output_dir=out', '--image_size=32', '--workers=1')
    with (
        start_module('convert.images_to_tfrecords', '--input_dir=a', *flags, cwd=tmp_path) as one,
        start_module('convert.images_to_tfrecords', '--input_dir=b', *flags, cwd=tmp_path) as other,
    ):
        logs = [one.stderr.read(), other.stderr.read()]
        codes = [one.wait(), other.wait()]
    assert sorted(codes) == [0, 1], logs
    made = manifest.read(str(tmp_path / 'out'))
    records = sum(shard.records for shards in made.splits.values() for shard in shards)
    assert records == (60, 45)[codes.index(0)]
    assert re.search('out is in use by|--output_dir=out holds', logs[codes.index(1)].splitlines()[-1]), logs
    assert {path.name for path in tmp_path.iterdir()} == {'a', 'b', 'out'}


@pytest.mark.parametrize('name', ['a file', 'a folder in a file'])
@every_command
def test_a_file_where_a_folder_should_be_is_one_line(module, name, tmp_path):
    (tmp_path / 'file').write_text('mine')
    place = {'a file': 'file', 'a folder in a file': 'file/x'}[name]
    write_dataset(tmp_path / 'data')
    write_run(tmp_path, 1, tiny_hparams())
    write_photos(tmp_path / 'photos', 4)
    (tmp_path / 'marks.csv').write_text('train0.png,a\ntrain1.png,b\n')
    run = ['--model_dir=.', f'--output_dir={place}', '--count=100']
    flags = {
        'convert.audit': ['--data=data', f'--output_dir={place}', '--keep=90%', '--extractor=pixels'],
        'convert.images_to_tfrecords': ['--input_dir=photos', f'--output_dir={place}', '--image_size=32'],
        'convert.inspect_tfrecords': ['data', f'--preview={place}/x.png'],
        'convert.label': ['--data=data', f'--output_dir={place}', '--marks=marks.csv', '--extractor=pixels'],
        'convert.ocr': ['--input_dir=photos', f'--output={place}/x.csv'],
        'trainer.chat': ['--model_dir=.', '--data=data', f'--output_dir={place}'],
        'trainer.evaluate': [*run, '--data=data', '--extractor=pixels'],
        'trainer.explore': [*run, '--data=data', '--extractor=pixels'],
        'trainer.export': ['--model_dir=.', f'--output_dir={place}', '--format=savedmodel'],
        'trainer.gain': ['--model_dir=.', f'--output_dir={place}', '--data=data', '--extractor=pixels'],
        'trainer.generate': run,
        'trainer.serve': [f'--model_dir={place}', '--port=0'],
        'trainer.task': ['--train_data=data', f'--model_dir={place}', '--use_tpu=false'],
        'trainer.vertex_config': [
            '--project=a-project', '--bucket=a-bucket', '--region=us-central1', f'--output_dir={place}',
            '--image=us-central1-docker.pkg.dev/a-project/d/d', f'--source_dir={ROOT}/configs/vertex',
        ],
    }[module]  # fmt: skip
    ended = run_module(module, *flags, cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    assert re.fullmatch(r'error: [^\n]*file[^\n]*', ended.stderr.splitlines()[-1]) and 'Traceback' not in ended.stderr
    assert (tmp_path / 'file').read_text() == 'mine'
