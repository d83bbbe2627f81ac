"""The program tesseract, run for each picture."""

from __future__ import annotations

import io
import os
import subprocess

import numpy as np
from PIL import Image

from convert import rejection
from convert.reading.agreement import Reading

_PROGRAM = 'tesseract'
_CHARACTER, _WORD, _LINE = 10, 8, 7  # Its page segmentation modes.
_TIMEOUT_S = 60
_COLUMNS, _CONFIDENCE, _TEXT = 12, 10, 11
_BLANK = np.full((64, 64, 3), 255, np.uint8)


class Tesseract:
    """Reads text of one alphabet."""

    name = 'tesseract'

    def __init__(self, alphabet: str, length: int):
        """Reads a blank picture, to see whether it works.

        Args:
          alphabet: the only characters that it may see.
          length: how many of them there are; 0 for any number.

        Raises:
          OSError: it does not run, or lacks its language data.
        """
        mode = {0: _LINE, 1: _CHARACTER}.get(length, _WORD)
        settings = [f'tessedit_char_whitelist={alphabet}', 'tessedit_create_tsv=1']
        chosen = [word for setting in settings for word in ('-c', setting)]
        self._command = [_PROGRAM, 'stdin', 'stdout', '--dpi', '70', '--psm', str(mode), *chosen]
        try:
            self.read(_BLANK)
        except rejection.Rejected as rejected:
            raise OSError(rejected.detail) from None

    def read(self, pixels: np.ndarray) -> Reading:
        """The text in uint8 [H, W, 3].

        Raises:
          rejection.Rejected: tesseract fails on it.
        """
        picture = io.BytesIO()
        Image.fromarray(pixels).save(picture, 'PNG')
        environment = {**os.environ, 'OMP_THREAD_LIMIT': '1'}  # Several run at once.
        try:
            ended = subprocess.run(
                self._command, input=picture.getvalue(), capture_output=True, env=environment, timeout=_TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise rejection.Rejected(rejection.UNREADABLE, f'tesseract: no answer in {_TIMEOUT_S} s') from None
        if ended.returncode:
            why = ended.stderr.decode(errors='replace').strip().partition('\n')[0]
            raise rejection.Rejected(rejection.UNREADABLE, f'tesseract: {why or ended.returncode}')
        return parse(ended.stdout.decode(errors='replace'))


def parse(table: str) -> Reading:
    """All words of the table that tesseract prints, and their mean confidence; it gives words in percent, others -1."""
    rows = [line.split('\t') for line in table.splitlines()[1:]]
    words = [row for row in rows if len(row) == _COLUMNS and float(row[_CONFIDENCE]) >= 0 and row[_TEXT].strip()]
    if not words:
        return Reading('', 0.0)
    confidence = sum(float(row[_CONFIDENCE]) for row in words) / len(words) / 100
    return Reading(' '.join(row[_TEXT].strip() for row in words), min(confidence, 1.0))
