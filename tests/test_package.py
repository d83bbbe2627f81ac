"""The package as Vertex AI gets it: an sdist, installed without the rest of the project."""

from __future__ import annotations

import ast
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from tests import source_tree
from tests.conftest import ROOT, TINY_FLAGS
from tests.once import made_once
from trainer.pretrained import packing

SOURCES = sorted(path for package in ('trainer', 'convert') for path in (ROOT / package).rglob('*.py'))


def run(*command: str, cwd: pathlib.Path, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def make_sdist(folder: pathlib.Path) -> pathlib.Path:
    """Builds the sdist of the sources in a folder."""
    run('setup.py', '--quiet', 'sdist', '--dist-dir', str(folder / 'dist'), cwd=folder)
    (archive,) = (folder / 'dist').glob('*.tar.gz')
    return archive


def install(archive: pathlib.Path, site: pathlib.Path) -> None:
    offline = ('--no-deps', '--no-build-isolation', '--no-index')
    run('-m', 'pip', 'install', '--quiet', *offline, '--target', str(site), str(archive), cwd=archive.parent)


def sdist_of_this_tree(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Built once, from a copy, so that nothing is left behind in the working tree."""
    folder = made_once(tmp_path_factory, 'sdist', lambda folder: make_sdist(source_tree.copy_to(folder / 'copy')))
    (archive,) = (folder / 'copy' / 'dist').glob('*.tar.gz')
    return archive


@pytest.fixture(scope='module')
def sdist(tmp_path_factory) -> pathlib.Path:
    return sdist_of_this_tree(tmp_path_factory)


def test_the_sdist_is_complete(sdist):
    with tarfile.open(sdist) as archive:
        inside = {name.split('/', 1)[1] for name in archive.getnames() if '/' in name}
    sources = {str(path.relative_to(ROOT)) for path in SOURCES}
    flags = {str(path.relative_to(ROOT)) for path in (ROOT / 'convert' / 'samples' / 'flags').glob('*.png')}
    assert len(flags) == 256
    data = {'convert/samples/README.md', 'trainer/features/squeezenet.npz', 'trainer/features/README.md'}
    data |= {f'trainer/pretrained/{name}' for name in ('README.md', *(f'{name}.npz' for name in packing.NAMES))}
    assert sources | flags | data | {'LICENSE', 'README.md', 'configs/demo.cfg'} <= inside


def test_the_installed_sdist_trains_in_an_empty_folder(sdist, tmp_path):
    site = tmp_path / 'site'
    install(sdist, site)
    (tmp_path / 'empty').mkdir()
    where = run('-c', 'import trainer; print(trainer.__file__)', cwd=tmp_path / 'empty', PYTHONPATH=str(site))
    assert str(site) in where
    tiny = [flag for flag in TINY_FLAGS if 'extractor' not in flag]  # Its weights are in the package.
    run('-m', 'trainer.task', '--use_tpu=false', '--train_steps=1', *tiny, cwd=tmp_path / 'empty', PYTHONPATH=str(site))
    assert (tmp_path / 'empty' / 'runs' / 'demo' / 'samples' / 'step_000001.png').exists()


def test_setup_py_works_alone(tmp_path):
    shutil.copy(ROOT / 'setup.py', tmp_path)
    install(make_sdist(tmp_path), tmp_path / 'site')
    assert list((tmp_path / 'site').glob('tpu_dcgan-*.dist-info'))


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: f'{path.parent.name}/{path.name}')
def test_each_file_keeps_to_the_rules_of_the_house(path):
    """Flags are read in entry modules only, and files and functions are short."""
    text = path.read_text()
    tree = ast.parse(text)
    if "if __name__ == '__main__'" not in text and path.name != 'cli.py':
        assert not re.search(r'\bFLAGS\b', text)
    assert len(text.splitlines()) <= 230
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        assert function.end_lineno - function.lineno < 60, function.name


def test_the_drawing_of_the_floors_is_the_contract():
    contracts = tomllib.loads((ROOT / 'pyproject.toml').read_text())['tool']['importlinter']['contracts']
    floors = [contract['layers'] for contract in contracts if contract['type'] == 'layers']
    blocks = re.findall(r'(?:^    \S.*\n)+', (ROOT / 'CONTRIBUTING.md').read_text(), re.MULTILINE)
    drawn = [[re.split(r' {2,}', line.strip())[0] for line in block.splitlines()] for block in blocks]
    assert drawn == floors


@pytest.mark.parametrize(
    'room', sorted(path.parent for path in SOURCES if path.name == '__init__.py'), ids=lambda room: room.name
)
def test_each_room_says_what_it_is_for(room):
    assert ast.get_docstring(ast.parse((room / '__init__.py').read_text()))
