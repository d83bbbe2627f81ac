"""Runs what README and docs tell people to type, and checks their links, so that none of it goes stale."""

from __future__ import annotations

import json
import pathlib
import re
import shlex
import shutil
import signal
import subprocess

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from convert.reading import engines
from tests.conftest import ROOT, TINY_FLAGS, smooth_images
from tests.exports.trained import HAS_ONNX
from tests.processes import run_module, start_module
from trainer import errors
from trainer.data import images
from trainer.machine import watchdog
from trainer.pjrt import installation

PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
# These have tests of their own: their commands need a project.
TEXT = '\n'.join(page.read_text() for page in PAGES if page.name not in ('cloud.md', 'dataflow.md'))
# So have those that make an endpoint: tests/vertex/test_endpoint.py runs them.
TEXT = re.sub(r'\n## An endpoint on Vertex AI\n.*?(?=\n## )', '', TEXT, flags=re.DOTALL)
# Each once, in the order of the pages: the same steps come on several.
COMMANDS = list(
    dict.fromkeys(
        line.split('#')[0].strip()
        for block in re.findall(r'```sh\n(.*?)```', TEXT, re.DOTALL)
        for line in block.replace('\\\n', ' ').splitlines()
    )
)
FOUR_DEVICES = 'XLA_FLAGS=--xla_force_host_platform_device_count=4'  # tests/pjrt/test_run.py runs this command.
# What makes the commands of the pages quick; nothing else of them is changed.
SHRINK = {
    'trainer.task': ['--train_steps=2', *TINY_FLAGS],
    'trainer.evaluate': ['--count=20'],
    'trainer.generate': ['--count=2'],
    'trainer.gain': ['--cnn_steps=2', '--seeds=2'],
    'trainer.explore': ['--count=100'],
}


def modules_of(prefix: str) -> list[list[str]]:
    return [shlex.split(command)[2:] for command in COMMANDS if command.startswith(prefix)]


def with_digit(picture: np.ndarray, digit: int) -> np.ndarray:
    """A picture with a label on it that convert.ocr can read."""
    image = Image.fromarray(picture)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(60)
    pen.rectangle((12, 5, 68, 75), 'white')
    pen.text((40, 40), str(digit), 'black', font, anchor='mm')
    return np.asarray(image)


def test_every_kind_of_command_is_covered():
    kinds = {tuple(command.split()[:2]) for command in COMMANDS}
    assert kinds == {
        ('make', 'demo'), ('make', 'test'), ('make', 'vertex-config'), ('python', '-m'), ('gcloud', 'builds'),
        ('gcloud', 'ai'), ('make', 'venv-pjrt'), ('pip', 'install'), ('JAX_PLATFORMS=cpu', FOUR_DEVICES),
        ('curl', '--silent'),
    }  # fmt: skip


def test_the_python_commands_run_in_their_order(tmp_path):
    shutil.copytree(ROOT / 'configs', tmp_path / 'configs')
    # With this seed an odd and an even one are held out.
    for i, picture in enumerate(smooth_images(20, 80, seed=7) // 2):
        shown = with_digit(picture + np.uint8(120 * (i % 2)), i % 10)  # The odd ones are bright.
        images.write_png(str(tmp_path / 'photos' / 'blobs' / f'{i}.png'), shown)
    named = ''.join(f'blobs/{i}.png,{"odd" if i % 2 else "even"}\n' for i in range(20))
    (tmp_path / 'marks.csv').write_text(f'name,label\n{named}')
    (tmp_path / 'curated.csv').write_text(named.replace('odd', 'good').replace('even', 'bad'))
    for module, *flags in (words for words in modules_of('python -m') if not any('gs://' in word for word in words)):
        if module == 'trainer.serve':
            serve_and_ask(flags, tmp_path)
            continue
        ended = run_module(module, *flags, *SHRINK.get(module, []), cwd=tmp_path)
        if module == 'convert.ocr' and not engines.installed():
            assert ended.returncode == 1 and 'neither is installed' in ended.stderr
            continue
        if module == 'trainer.export' and not HAS_ONNX:
            assert ended.returncode == 1 and 'leave onnx out' in ended.stderr
            continue
        assert ended.returncode == 0, f'{module} {flags}:\n{ended.stderr}'
    for made in (
        'runs/photos/data/preview.png',
        'runs/photos/saved_model/saved_model.pb',
        'data/photos64/preview.png',
        'runs/photos64/samples/step_000002.png',
        'generated/grid.png',
        'generated/seed_000017.png',
        'generated/interpolation.gif',
        'inspected.png',
        'runs/photos64/samples/metrics.png',
        'runs/photos64/best/best.json',
        'runs/photos64/evaluation/evaluation_step_000002.json',
        'runs/photos64/explore/index.html',
        'data/photos64_kept/dataset.json',
        'data/photos64/labels/suggested.csv',
        'data/photos64_labelled/labels.csv',
        'data/photos64_curated/dropped.csv',
        'runs/labelled64/classes.json',
        'generated/kept.csv',
        'runs/labelled64/gain/gain.csv',
        'runs/photos64/export/model_card.md',
    ):
        assert (tmp_path / made).exists(), made
    assert (tmp_path / 'ocr.csv').exists() == bool(engines.installed())
    assert (tmp_path / 'exported' / 'generator.onnx').exists() == HAS_ONNX


def serve_and_ask(flags: list[str], folder: pathlib.Path) -> None:
    """Starts the server as a page says, on a free port, and sends it what the page sends."""
    with start_module('trainer.serve', *flags, '--port=0', cwd=folder) as process:
        lines = iter(process.stderr)
        port = next(
            found[1] for found in (re.search(r'listening on http://127.0.0.1:(\d+)/', line) for line in lines) if found
        )
        for command in (command for command in COMMANDS if command.startswith('curl ') and shutil.which('curl')):
            words = [word.replace(':8080/', f':{port}/') for word in shlex.split(command)]
            asked = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
            assert json.loads(asked.stdout)['predictions'][0]['image']['b64'], asked.stdout
        process.send_signal(signal.SIGTERM)
        log = process.stderr.read()
        assert process.wait(60) == 0, log


def test_the_commands_for_the_cloud_fit_each_other(gcs, tmp_path):
    """The data go where the jobs look for them, in a bucket of the emulator; docs/cloud.md has a test of its own."""
    gcs.server.create_bucket('my-bucket')
    for i, picture in enumerate(smooth_images(4, 80)):
        images.write_png(str(tmp_path / 'photos' / f'{i}.png'), picture)
    ((module, *flags),) = (words for words in modules_of('python -m') if any('gs://' in word for word in words))
    ended = run_module(module, *flags, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    ((*filling,),) = (shlex.split(command) for command in COMMANDS if command.startswith('make vertex-config'))
    planned = subprocess.run(['make', '--dry-run', *filling[1:]], cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = re.findall(r'^\.venv/bin/python -m (.*)$', planned.stdout.replace('\\\n', ' '), re.MULTILINE)
    module, *flags = shlex.split(line)
    ended = run_module(module, *flags, f'--source_dir={ROOT}/configs/vertex', cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    for command in (command for command in COMMANDS if command.startswith('gcloud ai')):
        (job,) = re.findall(r'--config=(\S+)', command)
        (data,) = re.findall(r'--train_data=(\S+)', (tmp_path / job).read_text())
        assert f'{data}/dataset.json' in gcs.server.paths('gs://my-bucket/')
    (build,) = (command for command in COMMANDS if command.startswith('gcloud builds'))
    for name in re.findall(r'(_[A-Z]+)=', build):
        assert f'  {name}: ' in (ROOT / 'cloudbuild.yaml').read_text()


def test_the_commands_that_install_jax_are_the_programs_own():
    assert installation.command('tpu') in COMMANDS
    (command,) = (command for command in COMMANDS if command.startswith('make venv-pjrt'))
    planned = subprocess.run(['make', '--dry-run', *command.split()[1:]], cwd=ROOT, capture_output=True, text=True)
    assert "VENV=.venv-pjrt JAX='tpu' .ci/make-venv" in planned.stdout


@pytest.mark.parametrize('target', ['demo', 'test'])
def test_the_make_targets_exist(target):
    planned = subprocess.run(['make', '--dry-run', target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    wanted = {'demo': 'trainer.task --use_tpu=false', 'test': '-m pytest'}
    assert wanted[target] in planned


@pytest.mark.parametrize('page', PAGES, ids=lambda path: path.name)
def test_the_links_of_a_page_lead_somewhere(page):
    text = page.read_text()
    for path, anchor in re.findall(r'\]\(([^):#]*)(?:#([^)]*))?\)', text):
        target = page.parent / path if path else page
        assert target.exists(), path
        if anchor:
            assert anchor in anchors(target), f'{path}#{anchor}'
    for recipe in re.findall(r'`(?:configs/)?(\w+\.cfg)`', text):
        assert (ROOT / 'configs' / recipe).exists(), recipe


def anchors(page: pathlib.Path) -> set[str]:
    """The names that GitHub gives the headings of a page."""
    headings = re.findall(r'^#+ (.*)$', page.read_text(), re.MULTILINE)
    return {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}


def test_the_index_has_every_page():
    listed = set(re.findall(r'\]\(([\w-]+\.md)\)', (ROOT / 'docs' / 'index.md').read_text()))
    assert listed == {page.name for page in PAGES if page.name not in ('README.md', 'index.md')}


def test_the_readme_is_one_page():
    assert len((ROOT / 'README.md').read_text().splitlines()) <= 150


def test_the_compilers_estimates_are_those_of_the_page_that_it_wrote():
    text = (ROOT / 'docs' / 'tpu.md').read_text()
    shown = re.search(r'<!-- tpu_compile -->\n(.*?)<!-- /tpu_compile -->', text, re.DOTALL)[1].splitlines()
    page = (ROOT / 'docs' / 'tpu_compile.md').read_text().splitlines()
    assert len(shown) == 2 + 12  # Two TPUs, three sizes, two kinds of arithmetic.
    assert set(shown) <= set(page)
    assert "compiler's estimate, without infeed and all-reduce" in text.lower()


def test_the_exit_codes_are_those_of_the_code():
    kinds = (errors.UserError, errors.DataError, errors.TrainingDiverged, errors.AccessDenied, errors.Transient)
    stopped = (128 + number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM))
    codes = {0, watchdog.EXIT_CODE, *stopped, *(kind.exit_code for kind in kinds)}
    text = (ROOT / 'docs' / 'troubleshooting.md').read_text()
    rows = re.findall(r'^\| ([\d, ]+) \|', text, re.MULTILINE)
    assert [int(code) for row in rows for code in row.split(', ')] == sorted(codes)


def test_the_messages_of_the_troubleshooting_page_are_those_of_the_code():
    """Each piece of a message between '...', which stand for values, is somewhere in the source."""
    text = (ROOT / 'docs' / 'troubleshooting.md').read_text()
    table = text[text.index('## Messages') : text.index('## Pictures')]
    sources = [*(ROOT / 'trainer').rglob('*.py'), *(ROOT / 'convert').rglob('*.py')]
    code = ''.join(re.sub(r"'\s+f?'", '', source.read_text()) for source in sources)
    for message in re.findall(r'`([^`]*\.\.\.[^`]*)`', table):
        pieces = [piece.strip() for piece in message.split('...')]
        for piece in filter(None, pieces):
            assert piece in code, piece
