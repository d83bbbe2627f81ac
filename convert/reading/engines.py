"""Which OCR engine reads: RapidOCR or Tesseract, by what is installed."""

from __future__ import annotations

import importlib.util
import shutil
from typing import Protocol

import numpy as np

from convert.reading.agreement import Reading
from trainer import errors

AUTO, RAPIDOCR, TESSERACT = 'auto', 'rapidocr', 'tesseract'
_PACKAGES = ('rapidocr', 'onnxruntime', 'cv2')
_FIXES = {RAPIDOCR: "pip install 'tpu-dcgan[ocr]'", TESSERACT: 'apt-get install tesseract-ocr'}


class Engine(Protocol):
    """Reads pictures of one line, on several threads at once."""

    name: str

    def read(self, pixels: np.ndarray) -> Reading:
        """The text in uint8 [H, W, 3].

        Raises:
          rejection.Rejected: the engine fails on this picture.
        """
        ...


def installed() -> list[str]:
    """The engines that are on this machine, the better one first."""
    found = [RAPIDOCR] if all(importlib.util.find_spec(name) for name in _PACKAGES) else []
    return [*found, TESSERACT] if shutil.which(TESSERACT) else found


def make(name: str, alphabet: str, length: int) -> Engine:
    """Makes the engine that --engine names.

    Args:
      name: AUTO, RAPIDOCR or TESSERACT.
      alphabet: the characters to look for.
      length: how many of them a picture shows; 0 for any number.

    Raises:
      errors.UserError: it is not installed, or does not work; the message has the command that installs it.
    """
    present = installed()
    if name == AUTO and not present:
        raise errors.UserError(
            f'reading needs RapidOCR or Tesseract, and neither is installed: run {_FIXES[RAPIDOCR]}, or '
            f'{_FIXES[TESSERACT]}'
        )
    name = present[0] if name == AUTO else name
    if name not in present:
        raise errors.UserError(f'--engine={name} is not installed: run {_FIXES[name]}')
    try:
        if name == TESSERACT:
            from convert.reading.tesseract import Tesseract

            return Tesseract(alphabet, length)
        from convert.reading.rapid import Rapid

        return Rapid()
    except (ImportError, OSError) as error:  # Parts of it are missing, or do not fit each other.
        raise errors.UserError(f'--engine={name} does not work ({error}): run {_FIXES[name]}') from error
