"""The page at /: its files and headers, that of trainer.explore, and one from a bucket; and what a folder holds."""

from __future__ import annotations

import json
import os
import pathlib

import numpy as np
import pytest

from tests.conftest import tiny_hparams, write_dataset, write_run
from tests.serving.running import running
from tests.serving.strict_client import ask
from trainer import errors, explore
from trainer.evaluation import live_generator
from trainer.explore import ExploreOptions
from trainer.generator import loading, saved_model
from trainer.generator.sampler import ExportedGenerator
from trainer.serving import pages, sources


def read(path: str) -> bytes:
    return pathlib.Path(path).read_bytes()


def test_the_page_and_its_files_come_with_safe_headers(server):
    answer = ask(server.port, 'GET', '/')
    assert answer.status == 200 and answer.headers['content-type'] == 'text/html; charset=utf-8'
    assert answer.body.startswith(b'<!doctype html>')
    assert ask(server.port, 'GET', '/index.html').body == answer.body
    policy = answer.headers['content-security-policy'].split('; ')
    assert "default-src 'none'" in policy and "script-src 'self' 'wasm-unsafe-eval'" in policy
    assert "img-src 'self' data: blob:" in policy and "connect-src 'self'" in policy
    assert answer.headers['x-content-type-options'] == 'nosniff'
    assert answer.headers['referrer-policy'] == 'no-referrer'
    script = ask(server.port, 'GET', '/code/live.js')
    assert script.status == 200 and script.headers['content-type'] == 'text/javascript; charset=utf-8'
    head = ask(server.port, 'HEAD', '/')
    assert (head.status, head.body) == (200, b'')
    assert head.headers['content-length'] == str(len(answer.body))


def test_without_a_page_of_explore_there_is_one_whose_pictures_the_server_makes(server, model):
    start = ask(server.port, 'GET', '/data/start.js').body.decode()
    data = json.loads(start[start.index('=') + 1 :].rstrip(';\n'))
    assert data['live']['predict'] == '/predict' and not data['live']['embedded']
    assert data['live']['labels'] == list(model.labels) and len(data['live']['directions']) == 5
    assert ['Model', model.title] in data['facts']
    assert 'thumbnails' not in data and 'samples' not in data


def test_an_exported_model_has_the_directions_of_its_run(model, tmp_path):
    run = model.title.partition(',')[0]
    made = loading.load(run)
    saved_model.export(made.hparams, f'{run}/model.ckpt-3', str(tmp_path / 'saved'), made.generator.classes)
    exported = live_generator.served(ExportedGenerator(str(tmp_path / 'saved')), 32, 3, '/predict')
    assert np.array_equal(exported.directions, live_generator.served(made.generator, 32, 3, '/predict').directions)


@pytest.fixture(scope='module', name='explored')
def explored_fixture(tmp_path_factory) -> str:
    """A run with the page of trainer.explore, and other files beside it."""
    folder = tmp_path_factory.mktemp('explored')
    data = write_dataset(folder / 'data')
    (folder / 'run').mkdir()
    write_run(folder / 'run', 1, tiny_hparams())
    explore.explore(ExploreOptions(str(folder / 'run'), data, count=100, extractor='pixels', neighbours=2))
    (folder / 'run' / 'explore' / 'code' / 'secret').symlink_to('/etc/passwd')
    (folder / 'run' / 'explore' / 'code' / '.x.01234567.tmp').write_text('unfinished')
    (folder / 'run' / 'explore' / 'mine.txt').write_text('mine')
    return str(folder / 'run')


def test_the_page_of_a_run_is_that_of_explore_and_nothing_else_is_served(explored, model, tmp_path):
    with running(model, tmp_path, model_dir=explored) as one:
        page = ask(one.port, 'GET', '/')
        assert page.body == read(f'{explored}/explore/index.html')
        for where, _, names in os.walk(f'{explored}/explore'):
            for name in names:
                path = os.path.relpath(os.path.join(where, name), f'{explored}/explore')
                expected = 404 if path in ('code/secret', 'code/.x.01234567.tmp', 'mine.txt', '.made-by.json') else 200
                assert ask(one.port, 'GET', f'/{path}').status == (expected if 'lock' not in path else 404), path
        sheets = [name for name in os.listdir(f'{explored}/explore/sprites') if name.endswith('.webp')]
        assert ask(one.port, 'GET', f'/sprites/{sheets[0]}').headers['content-type'] == 'image/webp'
    assert not list(tmp_path.iterdir())


def test_a_folder_that_explore_has_not_made_is_not_served(explored, model, tmp_path):
    run = tmp_path / 'run'
    (run / 'explore').mkdir(parents=True)
    (run / 'explore' / 'index.html').write_text('not ours')
    (tmp_path / 'page').mkdir()
    with running(model, tmp_path / 'page', model_dir=str(run)) as one:
        assert b'not ours' not in ask(one.port, 'GET', '/').body


def test_a_page_in_a_bucket_is_fetched(explored, model, gcs, tmp_path):
    for where, _, names in os.walk(f'{explored}/explore'):
        for name in names:
            path = os.path.join(where, name)
            if os.path.isfile(path) and not os.path.islink(path):
                gcs.server.put(f'{gcs.bucket}/run/{os.path.relpath(path, explored)}', read(path))
    with running(model, tmp_path, model_dir=f'{gcs.bucket}/run') as one:
        for path in ('index.html', 'data/start.js', 'code/page.js'):
            assert ask(one.port, 'GET', f'/{path}').body == read(f'{explored}/explore/{path}')
        assert ask(one.port, 'GET', '/.made-by.json').status == 404


def test_a_bucket_that_refuses_is_one_line(model, gcs, tmp_path):
    gcs.server.put(f'{gcs.bucket}/run/hparams.json', b'{}')
    gcs.server.fault(403, times=None)
    for ask_for in (sources.find, lambda run: pages.page_folder(model, run, str(tmp_path), '/predict')):
        with pytest.raises(errors.AccessDenied) as refused:
            ask_for(f'{gcs.bucket}/run')
        assert '\n' not in str(refused.value)
    gcs.server.clear_faults()
    assert sources.find(f'{gcs.bucket}/run') == (f'{gcs.bucket}/run', '')


def test_what_a_folder_holds_is_told_by_its_files(tmp_path, explored):
    made = loading.load(explored)
    saved_model.export(made.hparams, f'{explored}/model.ckpt-1', str(tmp_path / 'exported' / 'saved_model'))
    exported = str(tmp_path / 'exported')
    assert sources.find(f'{exported}/saved_model') == ('', f'{exported}/saved_model')
    assert sources.find(exported) == ('', f'{exported}/saved_model')
    assert sources.find(f'{exported}/') == ('', f'{exported}/saved_model')
    assert sources.find(explored) == (explored, '')  # Also where the run has exported itself.
    model = sources.load('', '', f'{exported}/saved_model')
    assert sources.recogniser(model, '', '') == (None, 'start it with --data=FOLDER, the data set of the model')
    with pytest.raises(errors.UserError, match='absent'):
        sources.recogniser(model, '', str(tmp_path / 'absent'))
    assert sources.recogniser(model, explored, '')[1].endswith('start it with --data=FOLDER')
