"""What people type and send, and what they get."""

from __future__ import annotations

import io
import itertools
import logging

import numpy as np
import pytest
from PIL import Image

from tests.chatting.drawn import PNG, Drawn, Recognising
from tests.conftest import tiny_hparams, write_dataset, write_run
from tests.once import made_once
from trainer.chatting import answer
from trainer.chatting.answer import Message
from trainer.data import image_set, images
from trainer.dcgan.conditioning import Classes
from trainer.inference import model, recognition

FLOWERS = ('rose', 'Sun-flower', 'sunrise', '郁金香', 'tea rose 2')


def asked(text: str, *labels: str, message_id: str = 'a') -> tuple:
    """The seed and the label of the picture that a text gets; its words if it gets none."""
    drawn = Drawn(*labels)
    made = answer.answer(drawn, None, Message(text, id=message_id))
    return drawn.asked[0] if made.picture else made.text


@pytest.mark.parametrize(
    ('text', 'seed'),
    [('3', 3), (' 0017 ', 17), ('seed 17', 17), ('Seed:17', 17), ('SEED  =  17', 17), ('#5', 5), ('种子 8', 8),
     ('種子8', 8), ('３', 3), ('Ｓｅｅｄ　１７', 17), ('-4', -4), ('2147483647', 2147483647), ('seed\n5', 5)],
)  # fmt: skip
def test_a_number_is_a_seed(text, seed):
    assert asked(text) == (seed, '')
    assert asked(text, *FLOWERS) == (seed, '')


@pytest.mark.parametrize(
    ('text', 'label', 'seed'),
    [('rose 17', 'rose', 17), ('ROSE #17', 'rose', 17), ('rose seed 17', 'rose', 17), ('sun flower 3', 'Sun-flower', 3),
     ('sunf 3', 'Sun-flower', 3), ('郁金香 ９', '郁金香', 9), ('郁 种子9', '郁金香', 9),
     ('tea rose 2 5', 'tea rose 2', 5)],
)  # fmt: skip
def test_a_name_and_a_number_are_both(text, label, seed):
    assert asked(text, *FLOWERS) == (seed, label)


@pytest.mark.parametrize(
    ('text', 'label'),
    [('rose', 'rose'), (' Rose ', 'rose'), ('SUN_FLOWER', 'Sun-flower'), ('sunr', 'sunrise'), ('ｒｏｓｅ', 'rose'),
     ('郁金', '郁金香'), ('tea  rose 2', 'tea rose 2'), ('t', 'tea rose 2')],
)  # fmt: skip
def test_a_name_alone_gets_a_seed_of_the_message(text, label):
    seed, found = asked(text, *FLOWERS)
    assert found == label and 0 <= seed < 1_000_000
    assert asked(text, *FLOWERS) == (seed, label)
    assert asked(text, *FLOWERS, message_id='b') != (seed, label)


def test_labels_that_are_digits_win_over_seeds():
    digits = [str(number) for number in range(10)]
    assert asked('3', *digits)[1] == '3'
    assert asked('3 17', *digits) == (17, '3')
    assert asked('seed 3', *digits) == (3, '')
    assert asked('33', *digits) == (33, '')


@pytest.mark.parametrize(
    'text',
    ['', ' ', 'hello', 'rose garden', '3.5', '3 4 5', '<xml>', '🌹', '\ud800', '\0', 'seed', '-', '_', 'x' * 10**6,
     '9' * 31, "'; DROP TABLE", '17 rose'],
    ids=itertools.count(),
)  # fmt: skip
def test_anything_else_gets_help(text):
    said = asked(text, *FLOWERS)
    assert said.startswith('Send a number, such as 3 or seed 17')
    assert 'I know rose, Sun-flower, sunrise, 郁金香, tea rose 2.' in said and '\n' not in said
    assert 'name' not in asked(text)


def test_help_says_what_can_be_sent():
    assert 'a picture' not in answer.help_text(Drawn(), None)
    assert 'a picture, and I tell' in answer.help_text(Drawn(), Recognising())
    many = [f'a label with a long name {number}' for number in range(1000)]
    said = answer.help_text(Drawn(*many), None)
    assert len(said) < 1000 and 'more.' in said


def test_what_fits_several_names_is_asked_back():
    assert asked('sun', *FLOWERS) == 'Which one: Sun-flower, sunrise?'
    assert asked('sun 5', *FLOWERS) == 'Which one: Sun-flower, sunrise?'
    assert asked('a b', 'a-b', 'A_B') == 'Which one: a-b, A_B?'


def test_what_the_model_refuses_is_a_line():
    assert asked('99999999999') == 'seed 99999999999 must be smaller'


def test_a_picture_is_large_enough_and_names_its_seed():
    made = answer.answer(Drawn('rose'), None, Message('rose 200'))
    assert (made.text, made.picture_says_all) == ('rose, seed 200', True)
    assert images.software_of(made.picture) == images.GENERATED  # The converter will know it.
    pixels = np.asarray(Image.open(io.BytesIO(made.picture)))
    assert pixels.shape == (256 + 22, 256, 3)
    assert (pixels[:256] == 200).all() and pixels[256:].max() == 255
    assert answer.answer(Drawn('rose', 'tulip'), None, Message('3')).text == 'tulip, seed 3'


def test_a_picture_is_recognised():
    made = answer.answer(Drawn(), Recognising(), Message(picture=PNG))
    assert made.text == (
        'rose, 87% sure. Left: the training image most like yours, roses/1.png (rose), cosine 0.93. '
        'Right: the generated picture most like yours, seed 17, cosine 0.50.'
    )
    assert not made.picture_says_all
    pixels = np.asarray(Image.open(io.BytesIO(made.picture)))
    assert (pixels[:256, :256] == 99).all() and (pixels[:256, 256:] == 100).all()


def test_a_likely_copy_is_marked():
    recogniser = Recognising()
    recogniser.copy = True
    assert 'cosine 0.93; yours is likely a copy of it.' in answer.answer(Drawn(), recogniser, Message(picture=PNG)).text


def test_what_is_no_picture_is_a_line():
    made = answer.answer(Drawn(), Recognising(), Message(picture=b'text'))
    assert (made.text, made.picture) == ('4 bytes are not a picture', b'')
    assert 'I have no training images' in answer.answer(Drawn(), None, Message(picture=PNG)).text


def test_a_bug_is_no_end_and_shows_nothing(caplog):
    class Broken(Drawn):
        def of_seeds(self, seeds, label=''):
            raise ZeroDivisionError

    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, 'absl'):
        assert answer.answer(Broken('my secret'), None, Message('my secret')).text.startswith('Something went wrong')
    assert 'ZeroDivisionError' in caplog.text and 'my secret' not in caplog.text


CLASSES = Classes(('cup', 'plate'), (12, 12))


def chatting_run(tmp_path_factory) -> str:
    """A run with two classes beside its data, for all tests of chats."""

    def make(folder) -> None:
        write_dataset(folder / 'data', labels=CLASSES.names)
        write_run(folder, 3, tiny_hparams(condition='labels', classes=2), CLASSES)

    return str(made_once(tmp_path_factory, 'chatting_run', make))


def test_a_real_model_answers(tmp_path_factory):
    folder = chatting_run(tmp_path_factory)
    real = model.of_run(folder)
    train, holdout = image_set.open_both(f'{folder}/data')
    recogniser = recognition.prepare(real, train, holdout, 'pixels')
    pixels = np.asarray(Image.open(io.BytesIO(answer.answer(real, None, Message('Plate 17')).picture)))
    assert np.array_equal(pixels[:256:8, ::8], real.of_seeds([17], 'plate')[0])
    made = answer.answer(real, recogniser, Message(picture=images.encode_png(train.pixels()[5])))
    name, label = train.entries()[5].name, train.labels[train.entries()[5].label]
    assert f'{name} ({label}), cosine 1.00; yours is likely a copy of it' in made.text
    pixels = np.asarray(Image.open(io.BytesIO(made.picture)))
    assert np.array_equal(pixels[:256:8, :256:8], train.pixels()[5])
    assert answer.answer(real, recogniser, Message('9' * 12)).text.startswith('seed 999999999999 must be from')
