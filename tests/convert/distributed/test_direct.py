"""Beam's processes on this machine write the bytes of the local converter, whatever the files are, and fail whole."""
# ruff: noqa: F811  Tests take imported fixtures as parameters.

from __future__ import annotations

import importlib.util
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Collection

import pytest

from convert.conversion import convert
from convert.options import DIRECT, ConvertOptions, RunnerOptions
from tests.conftest import ROOT
from tests.convert.distributed import nasty
from tests.convert.test_conversion import contents
from tests.convert.test_gcs import assert_same, names_in
from tests.once import made_once
from trainer import errors
from trainer.data import manifest

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec('apache_beam') is None, reason='Apache Beam is not installed: make test-beam does it'
    ),
    # Of Beam's own modules.
    pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::ResourceWarning', 'ignore::FutureWarning'),
    pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning'),
]
OPTIONS = {'image_size': 32, 'shard_mib': 1, 'holdout_percent': 20.0, 'workers': 2}


def run(source: pathlib.Path | str, output: pathlib.Path | str, beam_flags: str = '', **changes) -> manifest.Manifest:
    from convert.distributed import driver

    options = ConvertOptions(**{'input_dir': str(source), 'output_dir': str(output), **OPTIONS, **changes})
    return convert(options, driver=driver.Driver(RunnerOptions(DIRECT, beam_flags)))


def run_locally(source: pathlib.Path | str, output: pathlib.Path | str, **changes) -> manifest.Manifest:
    return convert(ConvertOptions(**{'input_dir': str(source), 'output_dir': str(output), **OPTIONS, **changes}))


@pytest.fixture(scope='module', name='files')
def files_fixture(tmp_path_factory) -> pathlib.Path:
    return made_once(tmp_path_factory, 'nasty', lambda folder: nasty.write(folder / 'in')) / 'in'


@pytest.fixture(scope='module', name='portable')
def portable_fixture(tmp_path_factory) -> pathlib.Path:
    """The files without those that a bucket cannot have."""
    return made_once(tmp_path_factory, 'portable', lambda folder: nasty.write(folder / 'in', local=False)) / 'in'


@pytest.mark.parametrize('changes', [{'seed': 3}, {'keep_duplicates': True, 'channels': 1, 'fit': 'pad'}])
def test_nasty_files_give_the_same_bytes(files, tmp_path, changes):
    found = run_locally(files, tmp_path / 'local', **changes)
    assert found.options['white_level'] == 4095, 'the second pass is not tested'
    assert found.options[manifest.SYNTHETIC] == 12
    assert len(found.rejected) >= 8
    if 'keep_duplicates' not in changes:
        assert found.rejected['duplicate'] >= 20
    assert run(files, tmp_path / 'beam', **changes) == found
    assert contents(tmp_path / 'beam') == contents(tmp_path / 'local')


@pytest.mark.parametrize('shared_disk', [True, False])
def test_many_shards_and_repeated_bundles_give_the_same_bytes(tmp_path, monkeypatch, shared_disk):
    """FnApiRunner runs each bundle twice, as after a failure behind its last step."""
    from convert.distributed import driver
    from tests.convert.test_conversion import write_photos

    if not shared_disk:  # Elements then have their pixels, as on Dataflow.
        monkeypatch.setattr(driver, 'DIRECT', 'no runner')
    source = write_photos(tmp_path / 'in', 90)
    changes = {'image_size': 128, 'holdout_percent': 40.0}
    found = run_locally(source, tmp_path / 'local', **changes)
    assert [len(shards) for shards in found.splits.values()] == [3, 2]
    run(source, tmp_path / 'beam', '--direct_runner_bundle_repeat=1', **changes)
    assert contents(tmp_path / 'beam') == contents(tmp_path / 'local')


def test_what_waits_is_not_fitted_again_and_elements_do_not_grow_with_images(files, tmp_path):
    from convert.distributed import transforms, work

    def elements(source: pathlib.Path) -> tuple[list, list]:
        options = ConvertOptions(str(source), 'out', image_size=128)
        fit = transforms.Fit(work.Work(options, (), 65535, 'shared', 1, str(tmp_path)))
        fit.setup()
        found = [one for number, name in enumerate(names) for one in fit.process((number, name))]
        fit.teardown()
        values = [one.value for one in found if isinstance(one, beam.pvalue.TaggedOutput)]
        return [one for one in found if isinstance(one, tuple)], values

    import apache_beam as beam

    names = [work.encoded(f'deep/{number}.png') for number in range(12)] + [b'notes.txt']
    images, beside = elements(files)
    assert len(images) == 12
    assert len(beside) == 13
    assert len(pickle.dumps(images)) < 12 * 250
    images_again, beside_again = elements(tmp_path / 'no folder')
    assert images_again == images
    assert beside_again[:12] == beside[:12]
    assert beside_again[12][3] != beside[12][3], 'the rejected file is not looked at again'


def test_a_tiny_set_and_none(tmp_path):
    from tests.convert.test_conversion import write_photos

    source = write_photos(tmp_path / 'in', 3)
    changes = {'holdout_percent': 50.0}
    run_locally(source, tmp_path / 'local', **changes)
    run(source, tmp_path / 'beam', **changes)
    assert contents(tmp_path / 'beam') == contents(tmp_path / 'local')
    (tmp_path / 'none').mkdir()
    (tmp_path / 'none' / 'a.jpg').write_text('no image')
    with pytest.raises(errors.UserError, match=r'0 images are left of 1 files .* \(1 not an image\)'):
        run(tmp_path / 'none', tmp_path / 'new')
    assert not (tmp_path / 'new').exists()


def test_a_finished_set_is_refused_before_beam_starts(tmp_path):
    from tests.convert.test_conversion import write_photos

    source = write_photos(tmp_path / 'in', 4)
    run_locally(source, tmp_path / 'out')
    before = contents(tmp_path / 'out')
    with pytest.raises(errors.UserError, match='already holds dataset.json'):
        run(source, tmp_path / 'out', '--no_such_flag')
    assert contents(tmp_path / 'out') == before


def test_a_bucket_gives_the_same_bytes_in_spite_of_503(gcs, portable, tmp_path):
    for path in portable.rglob('*'):
        if path.is_file():
            gcs.server.put(f'{gcs.bucket}/in/{path.relative_to(portable)}', path.read_bytes())
    run_locally(portable, tmp_path / 'local')
    faults = [gcs.server.fault(503, match='/download/storage/', after=150, times=3)]
    faults += [gcs.server.fault(503, match='/upload/storage/.*', after=6), gcs.server.fault(503, match='rewriteTo')]
    run(f'{gcs.bucket}/in', f'{gcs.bucket}/out')
    assert all(fault.hits for fault in faults)
    assert_same(gcs, f'{gcs.bucket}/out', tmp_path / 'local')
    assert [path for path in gcs.server.paths(f'{gcs.bucket}/') if '/in/' not in path and '/out/' not in path] == []
    assert not [path for path in gcs.server.paths(f'{gcs.bucket}/out/') if '.converting' in path]
    with pytest.raises(errors.UserError, match='already holds dataset.json'):
        run(f'{gcs.bucket}/in', f'{gcs.bucket}/out')


def test_a_bucket_that_refuses_a_worker_ends_with_the_error_of_the_bucket(gcs, portable):
    for path in (portable / 'copies').iterdir():
        gcs.server.put(f'{gcs.bucket}/in/{path.name}', path.read_bytes())
    gcs.server.fault(403, match='/download/storage/.*/in/', after=5, times=None)
    with pytest.raises(errors.AccessDenied, match=r'lacks roles/storage.objectViewer'):
        run(f'{gcs.bucket}/in', f'{gcs.bucket}/out')
    assert names_in(gcs, f'{gcs.bucket}/out') == []


def workers_of(pid: int) -> list[int]:
    """The worker processes of a command that are at work: one that ends earlier makes Beam wait for ever."""
    found = []
    for folder in pathlib.Path('/proc').iterdir():
        if folder.name.isdigit():
            try:
                words, parent = (folder / 'cmdline').read_bytes(), (folder / 'stat').read_text().rsplit(')', 1)[1]
            except OSError:
                continue
            if b'convert.distributed.worker' in words and int(parent.split()[1]) == pid and is_at_work(folder):
                found.append(int(folder.name))
    return found


def is_at_work(folder: pathlib.Path) -> bool:
    """Whether a worker has imported what it was told to run."""
    return 'libtensorflow' in (folder / 'maps').read_text()


def start(source: pathlib.Path, folder: pathlib.Path) -> subprocess.Popen:
    """A conversion by two workers into `out` in the folder."""
    words = [f'--input_dir={source}', f'--output_dir={folder / "out"}', f'--runner={DIRECT}', '--workers=2']
    command = [sys.executable, '-m', 'convert.images_to_tfrecords', *words]
    command += [f'--{name}={value}' for name, value in OPTIONS.items() if name != 'workers']
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def wait_for_workers(process: subprocess.Popen, before: Collection[int] = ()) -> list[int]:
    """The two workers of an attempt, when both are at work; `before` are those of earlier ones."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        found = [pid for pid in workers_of(process.pid) if pid not in before]
        if len(found) == 2:
            return found
        time.sleep(0.05)
    raise AssertionError(f'no two workers: {process.communicate()[1] if process.poll() is not None else "too slow"}')


def is_gone(pid: int, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while pathlib.Path(f'/proc/{pid}').exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not pathlib.Path(f'/proc/{pid}').exists()


def test_the_work_of_a_killed_worker_is_repeated(files, tmp_path):
    source = files / 'odd #1?'  # One pass over it.
    process = start(source, tmp_path)
    workers = wait_for_workers(process)
    while not any(tmp_path.glob('out/.converting/*/fitted-*')) and process.poll() is None:
        time.sleep(0.01)
    os.kill(workers[1], signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert err.count('a worker ended in the middle: attempt 2 of 3') == 1
    run_locally(source, tmp_path / 'local')
    assert contents(tmp_path / 'out') == contents(tmp_path / 'local')


def test_workers_that_are_killed_each_time_leave_nothing(files, tmp_path):
    process = start(files / 'odd #1?', tmp_path)
    seen: list[int] = []
    for _ in range(3):
        seen += wait_for_workers(process, seen)
        os.kill(seen[-1], signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert process.returncode == errors.Transient.exit_code, err
    assert 'attempt 3 of 3' in err
    assert err.splitlines()[-1].startswith('error: a worker of Apache Beam ended in the middle')
    assert 'Traceback' not in err
    assert not (tmp_path / 'out').exists()
    assert all(map(is_gone, seen))


def test_a_killed_command_leaves_no_data_set_and_no_worker_and_the_next_run_succeeds(files, tmp_path):
    process = start(files, tmp_path)
    workers = wait_for_workers(process)
    process.kill()
    process.communicate(timeout=90)
    assert not (tmp_path / 'out' / manifest.FILE_NAME).exists()
    assert all(map(is_gone, workers))
    run(files, tmp_path / 'out')
    run_locally(files, tmp_path / 'local')
    assert contents(tmp_path / 'out') == contents(tmp_path / 'local')


@pytest.mark.parametrize(
    ('flags', 'rule'),
    [
        ('--direct_num_workers=many', r"argument --direct_num_workers: invalid int value: 'many'"),
        ('--direct_running_mode=fast', r"invalid choice: 'fast' \(choose from 'in_memory'"),
        ('--project', 'argument --project: expected one argument'),
        ("--project='x", 'No closing quotation'),
    ],
)
def test_a_value_that_beam_does_not_take_is_one_line(tmp_path, capfd, flags, rule):
    from tests.convert.test_conversion import write_photos

    source = write_photos(tmp_path / 'in', 4)
    with pytest.raises(errors.UserError, match=rf'^--beam_flags={flags} is .*{rule}.*: correct the value$') as found:
        run(source, tmp_path / 'out', flags)
    assert found.value.exit_code == errors.UserError.exit_code
    assert 'usage' not in capfd.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_a_flag_that_beam_does_not_know_is_one_line(tmp_path):
    from tests.convert.test_conversion import write_photos

    source = write_photos(tmp_path / 'in', 4)
    with pytest.raises(errors.UserError, match='--no_such_flag'):
        run(source, tmp_path / 'out', '--no_such_flag=1')
    with pytest.raises(errors.UserError, match='has no meaning with --runner=local'):
        RunnerOptions('local', '--project=x')
