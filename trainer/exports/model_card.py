"""The model card of an export: what the generator is, what it was trained on, how good it is, how to load it.

The headings are those that people expect since Mitchell et al. 2019 (Model Cards for Model Reporting,
arXiv:1810.03993): details, use, data, measures, limits.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import tensorflow as tf

from trainer import cli
from trainer.evaluation import report
from trainer.exports import onnx_file, recipe, snippets, tflite_file
from trainer.exports.conversion import Measured
from trainer.exports.facts import Facts
from trainer.exports.markdown import block, code, table
from trainer.options import ONNX, SAVED_MODEL, TFLITE

NAME, SAMPLES = 'model_card.md', 'samples.png'
_UNKNOWN, _FILL_IN = 'unknown', '**fill in**'
_LICENCES = ('Licence of the data', 'Licence of this model')
_LABELS = 200  # More would bury the rest.


@dataclasses.dataclass(frozen=True)
class Card:
    """What a card is about.

    Attributes:
      facts: about the generator.
      files: of the export, without their contents.
      saved_model: where the SavedModel is, seen from the card's folder; '' if there is none.
      others: names of files in the card's folder that an earlier export has left there.
    """

    facts: Facts
    files: Sequence[Measured]
    saved_model: str
    others: Sequence[str] = ()


def write(card: Card, before: str = '') -> str:
    """The card as Markdown; `before` is the card that it replaces, whose licences it keeps."""
    facts = card.facts
    parts = [
        f'# {code(facts.name)}: a generator of {facts.image_size} px pictures',
        f'![Pictures that this generator has made]({SAMPLES})',
        '*Pictures that do not exist, from the first seeds; none were left out.*',
        _details(facts, before),
        '## How good it is',
        _quality(facts),
        '## How it was trained',
        recipe.told(facts),
        *_labels(facts),
        '## Files',
        _files(card),
        '## How to load it',
        *_loading(card),
        '## Limits',
        _limits(facts),
    ]
    return '\n\n'.join(parts) + '\n'


def _details(facts: Facts, before: str) -> str:
    data, hparams = facts.data, facts.hparams
    colour = 'grey' if facts.channels == 1 else 'RGB'
    trained = _UNKNOWN
    if hparams:
        seen = facts.step * hparams.train_batch_size
        epochs = f', {seen / data.images:,.1f} for each training image' if data and data.images else ''
        trained = f'{facts.step:,} steps of {hparams.train_batch_size:,} images: {seen:,} images seen{epochs}'
    images = f'{data.images:,}, and {data.holdout_images:,} held out' if data and data.images else _UNKNOWN
    began = [('Started from', code(hparams.init_from))] if hparams and hparams.init_from else []
    rows = [
        ('Pictures', f'{facts.image_size} x {facts.image_size} px, {colour}'),
        ('Training data', code(facts.data_path) if facts.data_path else _UNKNOWN),
        ('Training images', images),
        *((name, _cell(name, before) or _FILL_IN) for name in _LICENCES),
        ('Trained for', trained),
        *began,
        ('Checkpoint', f'the {facts.which} one' if facts.which else _UNKNOWN),
        ('KID', _kid(facts)),
        ('Verdict', facts.verdict or _UNKNOWN),
        ('Made by', f'tpu-dcgan {report.version()}, TensorFlow {tf.__version__}'),
    ]
    return table(['', ''], rows)


def _cell(name: str, before: str) -> str:
    """What somebody has written into a row of the card."""
    found = re.search(rf'^\| {name} \| (.+) \|$', before, re.MULTILINE)
    return found[1] if found else ''


def _kid(facts: Facts) -> str:
    return f'{facts.point.kid:.3f}' if facts.point and facts.point.kid is not None else _UNKNOWN


def _quality(facts: Facts) -> str:
    said = []
    if _kid(facts) == _UNKNOWN:
        said.append('The KID of this checkpoint is unknown: no evaluation was made at its step.')
    else:
        said.append(f'The KID of this checkpoint is {_kid(facts)}.')
    said.append(
        'KID is the distance from generated to training images, by features of a network: 0 is a generator whose '
        'pictures nothing tells from real ones, and lower is better.'
    )
    if facts.point and facts.point.kid_real is not None:
        said.append(f'Real images that were held out get {facts.point.kid_real:.3f}.')
    if facts.best:
        said.append(
            f'The best of this run is {facts.best.kid:.3f}, at step {facts.best.step:,}; the features are those of '
            f'{code(facts.best.extractor)}.'
        )
    said.append('Compare it only with a KID on the same data by the same features.')
    if facts.verdict:
        said.append(f'The verdict of the run on itself at that step: {facts.verdict}.')
    if facts.is_run:
        measure = cli.command('trainer.evaluate', model_dir=facts.place)
        said.append(f'More measures, each beside what real images get: {code(measure)}.')
    return ' '.join(said)


def _labels(facts: Facts) -> list[str]:
    classes = facts.classes
    if not classes:
        return []
    rows = [
        (str(i), code(name), f'{count:,}') for i, (name, count) in enumerate(zip(classes.names, classes.images))
    ]  # fmt: skip
    more = f'\n\n{len(rows) - _LABELS:,} more are left out here.' if len(rows) > _LABELS else ''
    none = f'\n\n{classes.unlabelled:,} training images have no label.' if classes.unlabelled else ''
    return ['## Labels', table(['number', 'label', 'training images'], rows[:_LABELS]) + more + none]


def _files(card: Card) -> str:
    rows = []
    for file in card.files:
        same = 'the others are compared with them' if file.format == SAVED_MODEL else file.pictures
        speed = f'{file.ms:.1f}' if file.ms else 'not measured'
        rows.append((code(file.name), f'{file.size / 1e6:.2f}', 'float16' if file.float16 else 'float32', speed, same))
    shown = table(['file', 'MB', 'weights', 'CPU ms an image', 'pictures'], rows) if rows else ''
    notes = [f'The SavedModel is {code(card.saved_model)}, seen from this folder.'] if card.saved_model else []
    if rows:
        notes.append('Time was taken for 16 pictures at once, on the machine that made this export.')
    if card.others:
        notes.append(f'Of an earlier export, and not described here: {", ".join(map(code, card.others))}.')
    return '\n\n'.join([*([shown] if shown else []), ' '.join(notes)])


def _loading(card: Card) -> list[str]:
    facts = card.facts
    formats = {file.format for file in card.files}
    inputs = f'`noise`, float32 [N, {facts.noise_dim}] from a normal distribution'
    if facts.classes:
        inputs += f', and `classes`, float32 [N, {len(facts.classes.names)}], 1 for the label and 0 for the others'
    parts = [f'The files for ONNX and TensorFlow Lite take {inputs}. All give uint8 pictures. A seed is for the '
             'SavedModel alone, which makes the noise from it.']  # fmt: skip
    if card.saved_model:
        parts += ['### Python', block('python', snippets.saved_model(facts, card.saved_model))]
        parts += [
            '### TensorFlow Serving, and containers of Vertex AI that have it',
            block('sh', snippets.serving(facts, card.saved_model)),
            'The answer holds the PNG files in base64: `{"outputs": [{"b64": "..."}, ...]}`.',
        ]
    for format_, heading, language, snippet in (
        (ONNX, 'ONNX', 'python', snippets.onnx(facts, onnx_file.NAME)),
        (TFLITE, 'TensorFlow Lite', 'python', snippets.tflite(facts, tflite_file.NAME)),
        (ONNX, 'A browser', 'js', snippets.browser(facts, onnx_file.NAME)),
    ):
        parts.append(f'### {heading}')
        parts.append(block(language, snippet) if format_ in formats else _not_here(facts, format_))
    if facts.is_run:
        page = cli.command('trainer.explore', model_dir=facts.place)
        parts.append(f'A page that shows what it learned: {code(page)}.')
    return parts


def _not_here(facts: Facts, format_: str) -> str:
    if not facts.is_run:
        return f'Not in this export; `--format={format_}` of `python -m trainer.export` makes it.'
    return f'Not in this export: {code(cli.command("trainer.export", model_dir=facts.place, format=format_))}.'


def _limits(facts: Facts) -> str:
    close = facts.point.close if facts.point else None
    said = ['The generator knows only what its training images show, and has their biases.']
    if close is not None:
        said.append(
            f'{close:.0%} of its pictures are as near to a training image as the nearest 5% of the held-out images '
            'are; far more than 5% means copies.'
        )
    else:
        said.append('Whether it copies training images was not measured.')
    said.append('A picture of a person, a brand or a work may resemble a real one: look before you publish.')
    return ' '.join(said)
