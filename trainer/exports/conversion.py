"""Makes the files of an export, and compares their pictures with those of the SavedModel."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Callable

import numpy as np
import tensorflow as tf

from trainer import errors
from trainer.exports import onnx_file, tflite_file
from trainer.filesystem.pattern_free import plain
from trainer.generator.sampler import ExportedGenerator, Generator
from trainer.options import EXPORT_FORMATS, ONNX, SAVED_MODEL, TFLITE

SAVED_MODEL_NAME = 'saved_model'
NAMES = {SAVED_MODEL: SAVED_MODEL_NAME, ONNX: onnx_file.NAME, TFLITE: tflite_file.NAME}
# Of each format: what makes its bytes, and what runs them; both also take the generator of the SavedModel.
CONVERTERS: dict[str, tuple[Callable[..., bytes], Callable[..., Generator]]] = {
    ONNX: (onnx_file.convert, onnx_file.OnnxGenerator),
    TFLITE: (tflite_file.convert, tflite_file.TfliteGenerator),
}
_SEEDS = 16  # One batch of `sampler`.
_MOST_DIFFERENCE = 1  # Grey levels: runtimes add in another order, so a number may round to the neighbouring level.


@dataclasses.dataclass(frozen=True)
class Measured:
    """A file of an export.

    Attributes:
      format: one of `options.EXPORT_FORMATS`.
      size: bytes.
      ms: CPU time for a picture, in milliseconds, 16 at a time; those of ONNX and TFLite on one thread; 0 if
        it was not measured.
      difference: the largest from the SavedModel's pictures, in grey levels of 255, on 16 seeds.
      float16: whether the weights are kept in float16.
      content: the file's bytes; none for the SavedModel, which is a folder.
    """

    format: str
    size: int
    ms: float = 0.0
    difference: int = 0
    float16: bool = False
    content: bytes = dataclasses.field(default=b'', repr=False)

    @property
    def name(self) -> str:
        """Of the file or folder."""
        return NAMES[self.format]

    @property
    def summary(self) -> str:
        """In one line, for the log."""
        weights = ', weights in float16' if self.float16 else ''
        pictures = '' if self.format == SAVED_MODEL else f', {self.pictures}'
        return f'{self.name}: {self.size / 1e6:.2f} MB{weights}, {self.ms:.1f} ms an image{pictures}'

    @property
    def pictures(self) -> str:
        """How its pictures differ from the SavedModel's."""
        if not self.difference:
            return 'the pictures of the SavedModel'
        levels = 'level' if self.difference == 1 else 'levels'
        return f'at most {self.difference} grey {levels} of 255 from the pictures of the SavedModel'


def check_installed(flag: str, formats: Sequence[str]) -> None:
    """Raises UserError if the packages of a format are missing; `flag` is the flag that asks for the formats."""
    if ONNX in formats:
        onnx_file.check_installed(f'{flag}={",".join(formats)}')


def convert(exported: ExportedGenerator, path: str, formats: Sequence[str], float16: bool = False) -> list[Measured]:
    """Makes the files, and measures each.

    Args:
      exported: the generator of the SavedModel in the folder `path`.
      path: local or gs://.
      formats: of `options.EXPORT_FORMATS`.
      float16: whether ONNX and TFLite keep the weights in float16.

    Raises:
      errors.UserError: one cannot be made; or its pictures differ by more than one grey level, though its weights are
        in float32.
    """
    latents = exported.latents(range(_SEEDS))
    expected, _ = _run(exported, latents, time.process_time)
    found = []
    for format_ in (name for name in EXPORT_FORMATS if name in formats):
        if format_ == SAVED_MODEL:
            _, ms = _run(exported, latents, time.process_time)  # TensorFlow has threads of its own.
            found.append(Measured(format_, size_of(path), ms))
            continue
        make, run = CONVERTERS[format_]
        content = make(exported, float16)
        generator = run(content, exported)
        _run(generator, latents, time.thread_time)  # The first run also prepares.
        pixels, ms = _run(generator, latents, time.thread_time)
        difference = int(np.abs(pixels.astype(int) - expected).max())
        if difference > _MOST_DIFFERENCE and not float16:
            raise errors.UserError(
                f'{NAMES[format_]} makes other pictures than the SavedModel, by up to {difference} grey levels of 255 '
                f'(1 is rounding): it is not written; leave {format_} out'
            )
        found.append(Measured(format_, len(content), ms, difference, float16, content))
    return found


def _run(generator: Generator, latents: np.ndarray, clock: Callable[[], float]) -> tuple[np.ndarray, float]:
    """The pictures, and the milliseconds for each."""
    began = clock()
    pixels = generator.images(latents)
    return pixels, 1000 * (clock() - began) / len(latents)


def size_of(path: str) -> int:
    """The bytes of the files in a SavedModel's folder, local or gs://."""
    return sum(
        tf.io.gfile.stat(f'{folder}/{name}').length for folder, _, names in tf.io.gfile.walk(plain(path))
        for name in names
    )  # fmt: skip
