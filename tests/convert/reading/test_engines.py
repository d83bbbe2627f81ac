"""RapidOCR and Tesseract where they are installed, and one line where they are not."""

from __future__ import annotations

import socket
import stat

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from convert import rejection
from convert.reading import engines, passes, tesseract
from convert.reading.agreement import Reading
from trainer import errors

DIGITS = '0123456789'
INSTALL = {
    engines.RAPIDOCR: "pip install 'tpu-dcgan[ocr]'",
    engines.TESSERACT: 'apt-get install tesseract-ocr',
}


def needs(name: str) -> None:
    if name not in engines.installed():
        pytest.skip(f'{name} is not installed: {INSTALL[name]}')


def drawn(text: str, side: int = 30) -> np.ndarray:
    """Light text on a dark ground, uint8 [side, W, 3]."""
    image = Image.new('RGB', (side * len(text), side), (40, 60, 120))
    font = ImageFont.load_default(side * 0.8)
    ImageDraw.Draw(image).text((image.width / 2, side / 2), text, (250, 220, 90), font, anchor='mm')
    return np.asarray(image)


@pytest.mark.parametrize('name', INSTALL)
def test_digits_are_read_without_a_network(name, monkeypatch):
    needs(name)

    def refuse(*_):
        raise AssertionError('it wants the network')

    monkeypatch.setattr(socket.socket, 'connect', refuse)
    engine = engines.make(name, DIGITS, 1)
    assert engine.name == name
    for digit in '27':
        first, second = (engine.read(see(drawn(digit))) for see in (passes.as_it_is, passes.black_on_white))
        assert first.text == second.text == digit
        assert 0.5 < min(first.confidence, second.confidence) <= max(first.confidence, second.confidence) <= 1


@pytest.mark.parametrize('name', INSTALL)
def test_words_are_read(name):
    needs(name)
    engine = engines.make(name, DIGITS, 0)
    assert ''.join(engine.read(passes.black_on_white(drawn('2047'))).text.split()) == '2047'


@pytest.mark.parametrize(
    ('chosen', 'present', 'message'),
    [
        (engines.AUTO, [], f'neither is installed: run {INSTALL[engines.RAPIDOCR]}, or {INSTALL[engines.TESSERACT]}'),
        (engines.RAPIDOCR, [engines.TESSERACT], f'--engine=rapidocr is not installed: run {INSTALL[engines.RAPIDOCR]}'),
        (
            engines.TESSERACT,
            [engines.RAPIDOCR],
            f'--engine=tesseract is not installed: run {INSTALL[engines.TESSERACT]}',
        ),
    ],
)
def test_an_engine_that_is_missing_is_one_line(chosen, present, message, monkeypatch):
    monkeypatch.setattr(engines, 'installed', lambda: present)
    with pytest.raises(errors.UserError) as caught:
        engines.make(chosen, DIGITS, 1)
    assert message in str(caught.value)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a program of the name tesseract in front of all others; takes its lines."""
    path = tmp_path / 'bin' / 'tesseract'
    path.parent.mkdir()
    monkeypatch.setenv('PATH', f'{path.parent}:/usr/bin:/bin')

    def write(*lines: str) -> None:
        path.write_text('\n'.join(['#!/bin/sh', *lines]))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write


HEAD = '\t'.join(['level', *'23456789', 'height', 'conf', 'text'])


def row(confidence: str, text: str) -> str:
    return '\t'.join([*'5111111111', confidence, text])


def test_the_table_of_tesseract_is_read():
    assert tesseract.parse(f'{HEAD}\n{row("-1", "")}\n{row("95.5", "1")}\n{row("85.5", " 7 ")}\n') == Reading(
        '1 7', 0.905
    )
    for nothing in ('', HEAD, f'{HEAD}\n{row("-1", "")}', f'{HEAD}\n{row("95", " ")}', f'{HEAD}\nnonsense'):
        assert tesseract.parse(nothing) == Reading('', 0.0)


def test_tesseract_gets_the_alphabet_and_the_kind_of_text(program, tmp_path):
    program(f'echo "$OMP_THREAD_LIMIT $@" >> {tmp_path}/called; cat > {tmp_path}/seen.png; printf "{HEAD}\\n"')
    for length in (0, 1, 5):
        engines.make(engines.TESSERACT, '01 x', length)
    called = (tmp_path / 'called').read_text().splitlines()
    assert [line.partition('--psm ')[2].split()[0] for line in called] == ['7', '10', '8']
    assert all(line.startswith('1 stdin stdout') and 'tessedit_char_whitelist=01 x' in line for line in called)
    assert (tmp_path / 'seen.png').read_bytes().startswith(b'\x89PNG')


def test_a_tesseract_that_does_not_work_is_one_line(program, monkeypatch):
    program('echo "Error opening data file eng.traineddata" >&2; echo more >&2; exit 1')
    with pytest.raises(errors.UserError, match=r'tesseract does not work .*eng.traineddata\): run apt-get') as caught:
        engines.make(engines.TESSERACT, DIGITS, 1)
    assert '\n' not in str(caught.value)
    program('exit 0')
    engine = engines.make(engines.TESSERACT, DIGITS, 1)
    program('exit 3')
    with pytest.raises(rejection.Rejected, match='tesseract: 3'):
        engine.read(drawn('1'))
    program('sleep 5')
    monkeypatch.setattr(tesseract, '_TIMEOUT_S', 0.1)
    with pytest.raises(rejection.Rejected, match='no answer'):
        engine.read(drawn('1'))
