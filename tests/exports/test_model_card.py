"""The card of a real run: its facts are right, its programs run, and no name from the data becomes markup."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import re
import shlex
import shutil
import subprocess

import numpy as np
import pytest
from absl import flags

from tests.conftest import open_image, tiny_hparams
from tests.exports import trained
from tests.exports.trained import HAS_ONNX, NAMES, needs_onnx
from trainer import cli, errors
from trainer.dcgan.conditioning import Classes
from trainer.dcgan.hparams import HParams
from trainer.exports import facts, folder, markdown, model_card, recipe
from trainer.exports.conversion import Measured
from trainer.exports.facts import Facts
from trainer.exports.model_card import Card
from trainer.generator import loading
from trainer.model_dir import hparams_file
from trainer.options import ONNX, SAVED_MODEL


@pytest.fixture(scope='module')
def model_dir(tmp_path_factory) -> pathlib.Path:
    return trained.model_dir(tmp_path_factory)


@pytest.fixture(scope='module')
def card(model_dir) -> str:
    return (model_dir / 'export' / 'model_card.md').read_text()


def blocks(text: str, language: str) -> list[str]:
    return [code for _, code in re.findall(rf'^(`{{3,}}){language}\n(.*?)\n\1$', text, re.DOTALL | re.MULTILINE)]


def test_a_run_leaves_the_card_its_samples_and_the_formats_that_were_asked_for(model_dir):
    made = {path.name for path in (model_dir / 'export').iterdir() if not path.name.startswith('.')}
    assert made == {'model_card.md', 'samples.png', 'generator.tflite', *(['generator.onnx'] if HAS_ONNX else [])}
    assert (model_dir / 'export' / 'samples.png').read_bytes() == (
        model_dir / 'samples' / 'step_000002.png'
    ).read_bytes()


def test_the_facts_are_those_of_the_run(model_dir, card):
    row = (model_dir / 'metrics.csv').read_text().splitlines()
    kid = dict(zip(row[0].split(','), row[-1].split(',')))['kid']
    for fact in (
        '32 x 32 px, RGB', f'`{model_dir.parent}/data`', '24, and 8 held out', '| Licence of the data | **fill in** |',
        '2 steps of 8 images: 16 images seen, 0.7 for each training image', '| Checkpoint | the last one |',
        f'| KID | {float(kid):.3f} |', '0 is a generator', 'at step 2; the features are those of `pixels`',
        '| Verdict | slow start |', '| 0 | `a \\| b` | 8 |', 'The SavedModel is `../saved_model`',
    ):  # fmt: skip
        assert fact in card, fact
    size = (model_dir / 'export' / 'generator.tflite').stat().st_size
    assert re.search(rf'`generator\.tflite` \| {size / 1e6:.2f} \| float32 \| \d', card)


def test_the_command_of_the_card_gives_the_same_hyper_parameters(model_dir, card):
    hparams = hparams_file.read(str(model_dir))
    (command,) = (line for line in blocks(card, 'sh') if 'trainer.task' in line)
    words = shlex.split(command)
    assert words[:3] == ['python', '-m', 'trainer.task'] and f'--model_dir={model_dir}' in words
    ours = [word for word in words[3:] if not word.startswith(('--train_data', '--model_dir'))]
    values = flags.FlagValues()
    cli.define_flags(HParams, values)
    cli.parse_words(['task', *ours], values)
    assert cli.from_flags(HParams, values).sized(32, 3, hparams.classes) == hparams
    for changes in ({'flip': True, 'train_steps': 7}, {'train_steps': 0, 'train_kimg': 5.0, 'init_from': '/a b/c'}):
        hparams = tiny_hparams(**changes)
        again = HParams(**recipe.changed_flags(dataclasses.replace(hparams, flip=False)), flip=hparams.flip)
        assert again.sized(32, 3) == hparams


def test_the_programs_of_the_card_run(model_dir, card, tmp_path, monkeypatch):
    """In a copy, because the first writes pictures."""
    shutil.copytree(model_dir / 'saved_model', tmp_path / 'run' / 'saved_model')
    shutil.copytree(model_dir / 'export', tmp_path / 'run' / 'export')
    monkeypatch.chdir(tmp_path / 'run' / 'export')
    programs = blocks(card, 'python')
    assert len(programs) == 2 + HAS_ONNX
    found = []
    for program in programs:
        names: dict = {}
        exec(program, names)
        found += [names['images']] if 'images' in names else []
    for images in found:
        assert (images.shape, images.dtype) == ((4, 32, 32, 3), np.uint8)
        assert np.abs(images.astype(int) - found[0]).max() <= 1
    generator = loading.load(str(model_dir), 'last').generator
    expected = generator.images(generator.latents(range(4), np.zeros(4, int))).astype(int)
    for seed in range(4):
        made = np.asarray(open_image(f'seed_{seed}.png')).astype(int)
        assert np.abs(made - expected[seed]).max() <= 1
    (serving,) = (code for code in blocks(card, 'sh') if 'tensorflow/serving' in code)
    docker, curl = (shlex.split(line) for line in serving.splitlines())
    assert '--volume=$PWD/../saved_model:/models/generator/1' in docker
    request = json.loads(curl[curl.index('--data') + 1])
    instances = [{'seed': seed, 'count': 1, 'label': 0} for seed in range(4)]
    assert request == {'signature_name': 'labelled_png', 'instances': instances}


@needs_onnx
@pytest.mark.skipif(not shutil.which('node'), reason='node, which reads the JavaScript of the card')
def test_the_javascript_of_the_card_can_be_read(card, tmp_path):
    (program,) = blocks(card, 'js')
    (tmp_path / 'page.mjs').write_text(program)
    ended = subprocess.run(['node', '--check', tmp_path / 'page.mjs'], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr


NASTY = [
    *NAMES, '', ' ', '`', '``', ' `x` ', '|', '\\|', '\\`', '&lt;b&gt;', '<!--', '**b**', '\u202egnp.exe',
    '\udcff', 'a\r\nb', '![x](http://example.com/x.png)', 'http://example.com', '<a href="`">', '~~~', '| --- |', '$x$',
]  # fmt: skip


def test_no_name_from_the_data_becomes_markup(card):
    """As a parser of CommonMark and GitHub's tables sees it."""
    markdown_it = pytest.importorskip('markdown_it', reason='markdown-it-py, which comes with import-linter')
    parser = markdown_it.MarkdownIt('gfm-like', {'linkify': False})
    tokens = parser.parse(card)
    kinds = [inner.type for token in tokens for inner in (token, *(token.children or ()))]
    assert not set(kinds) & {'html_block', 'html_inline', 'link_open'}
    assert kinds.count('heading_open') == len(re.findall('^#+ [A-Z`]', card, re.MULTILINE))
    shown = [inner.content for token in tokens for inner in token.children or () if inner.type == 'code_inline']
    assert {errors.spelled_out(name) for name in NAMES} <= {text.strip() for text in shown}
    for name in NASTY:
        table = markdown.table(['a', 'b'], [[markdown.code(name), 'after']])
        tokens = [inner for token in parser.parse(table) for inner in token.children or ()]
        assert [token.type for token in tokens] == ['text', 'text', 'code_inline', 'text'], name
        assert tokens[2].content.strip() == errors.spelled_out(name).strip(), name


def test_a_path_cannot_leave_its_program():
    place = "/x/```\n'); import os; '"
    known = Facts(place, 32, 1, 8)
    text = model_card.write(Card(known, [Measured(SAVED_MODEL, 1), Measured(ONNX, 2, 0.5)], place))
    programs = blocks(text, 'python')
    assert repr(place) in programs[0] and '\nimport os' not in programs[0]
    compile(programs[0], 'card', 'exec')
    assert '32 px, grey' in text and '| Training data | unknown |' in text and 'Unknown: this card was made' in text


def test_a_saved_model_in_a_bucket_is_fetched_for_the_server():
    text = model_card.write(Card(Facts('gs://b/a run', 64, 3, 100), [], 'gs://b/a run/saved_model'))
    (serving,) = (code for code in blocks(text, 'sh') if 'docker' in code)
    assert serving.startswith("gcloud storage cp --recursive 'gs://b/a run/saved_model' .\n")
    assert '"$PWD"/saved_model:/models/generator/1' in serving
    assert 'python -m trainer.export' in text  # For the formats that are not there.


def test_the_licences_that_somebody_has_filled_in_stay(tmp_path):
    known = Facts('run', 32, 3, 8, Classes(('a', 'b'), (1, 2), 3))
    path = pathlib.Path(folder.write(str(tmp_path), known, [], '', b'png'))
    path.write_text(path.read_text().replace('| Licence of the data | **fill in** |', '| Licence of the data | CC0 |'))
    (tmp_path / 'generator.onnx').touch()
    folder.write(str(tmp_path), known, [], '', b'png')
    text = path.read_text()
    assert '| Licence of the data | CC0 |' in text and '| Licence of this model | **fill in** |' in text
    assert 'Of an earlier export, and not described here: `generator.onnx`' in text
    assert '3 training images have no label' in text
    path.write_bytes(b'\xff')
    with contextlib.suppress(UnicodeDecodeError):
        folder.write(str(tmp_path), known, [], '', b'png')
    assert '**fill in**' in path.read_text()


def test_a_run_that_measured_nothing_has_a_card_that_says_so(tmp_path):
    hparams = tiny_hparams()
    (tmp_path / 'metrics.csv').write_text('damaged\n')
    known = facts.of_run(str(tmp_path), hparams, None, 3, 'last')
    text = model_card.write(Card(known, [], ''))
    assert 'KID of this checkpoint is unknown' in text and '| Verdict | unknown |' in text
    assert (tmp_path / 'metrics.csv').read_text() == 'damaged\n'  # A reader changes nothing.
