"""Writes a trained generator in formats that other programs run: SavedModel, ONNX, TensorFlow Lite.

  python -m trainer.export --model_dir=runs/roses
      writes runs/roses/export: saved_model, generator.onnx, generator.tflite, and model_card.md with samples.png.
  python -m trainer.export --model_dir=runs/roses --format=onnx --float16
      only ONNX, at half the size.

The pictures of each file are compared with those of the SavedModel: a file that differs by more than one grey level is
not written, unless its weights are in float16. The card says what the generator was trained on, how good it is, and how
to load each file. ONNX needs pip install 'tpu-dcgan[export]', and Python 3.10 or 3.11.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Iterator

from absl import flags

from trainer import cli, errors, terminal
from trainer.data import images
from trainer.exports import conversion, folder
from trainer.exports.conversion import Measured
from trainer.exports.facts import Facts, of_run, of_saved_model
from trainer.flags import lists
from trainer.flags.declaration import ANYWHERE, Options, option
from trainer.generator import loading, samples, saved_model
from trainer.generator.sampler import ExportedGenerator
from trainer.options import EXPORT_FORMATS, SAVED_MODEL
from trainer.pretrained import packing
from trainer.quiet import quieten_tensorflow

_SAMPLES = 64


@dataclasses.dataclass(frozen=True)
class ExportOptions(Options):
    """What to export."""

    model_dir: str = option('', 'A training run.', unit='folder', path=ANYWHERE)
    checkpoint: str = option('', loading.HELP, choices=loading.CHOICES)
    pretrained: str = option(
        '', 'A model that comes with the package, instead of --model_dir.', choices=('', *packing.NAMES)
    )
    saved_model: str = option('', 'An exported generator, instead of --model_dir.', unit='folder', path=ANYWHERE)
    format: str = option(','.join(EXPORT_FORMATS), 'One or several of savedmodel, onnx and tflite.', empty=False)
    float16: bool = option(
        False, 'Keep the weights of ONNX and TensorFlow Lite in float16: half the size, nearly the same pictures.'
    )
    output_dir: str = option(
        '', 'Where the files go, local or gs://; empty is export in --model_dir.', unit='folder', path=ANYWHERE
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if sum(map(bool, (self.model_dir, self.saved_model, self.pretrained))) != 1:
            raise errors.UserError(
                'give one of --model_dir=FOLDER (a training run), --saved_model=FOLDER and '
                f'--pretrained={"|".join(packing.NAMES)}'
            )
        if self.checkpoint and not self.model_dir:
            raise errors.UserError(f'--checkpoint={self.checkpoint} chooses from a --model_dir: give one')
        if not self.model_dir and not self.output_dir:
            raise errors.UserError('give --output_dir=FOLDER, where the files go')
        if self.float16 and self.formats == (SAVED_MODEL,):
            raise errors.UserError('--float16 is for onnx and tflite: add one of them to --format')

    @property
    def formats(self) -> tuple[str, ...]:
        """--format, each once."""
        return lists.parse('--format', self.format, EXPORT_FORMATS)

    @property
    def folder(self) -> str:
        """Where the files go."""
        return self.output_dir or os.path.join(self.model_dir, folder.NAME)


def export(options: ExportOptions) -> list[Measured]:
    """Writes the files that the options ask for, or none of them.

    Raises:
      errors.UserError: there is no generator, a package is missing, a file cannot be made or makes other pictures, or
        the folder holds something else, is in use or cannot be written.
    """
    conversion.check_installed('--format', options.formats)
    with folder.claimed('--output_dir', options.folder, options.formats), _source(options) as (path, found):
        exported = ExportedGenerator(path)
        facts = found or of_saved_model(options.saved_model, exported)
        made = conversion.convert(exported, path, options.formats, options.float16)
        grid = images.encode_png(samples.draw(exported, _SAMPLES), images.GENERATED)
        described = options.saved_model
        if SAVED_MODEL in options.formats:
            described = os.path.join(options.folder, conversion.SAVED_MODEL_NAME)
            saved_model.copy(path, described)
        folder.write(options.folder, facts, made, described, grid)
    return made


@contextlib.contextmanager
def _source(options: ExportOptions) -> Iterator[tuple[str, Facts | None]]:
    """The SavedModel to convert, which may be a temporary one, and the facts about its run."""
    if options.saved_model:
        yield options.saved_model, None
        return
    with contextlib.ExitStack() as stack:
        model_dir = options.model_dir or stack.enter_context(packing.unpacked(options.pretrained))
        found = loading.find(model_dir, options.checkpoint)
        facts = of_run(model_dir, found.hparams, found.classes, found.step, found.which)
        if options.pretrained:
            facts = dataclasses.replace(facts, place=options.pretrained, is_run=False)
        path = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), conversion.SAVED_MODEL_NAME)
        saved_model.export(found.hparams, found.checkpoint, path, found.classes)
        yield path, facts


def main() -> None:
    """Writes what the flags ask for."""
    options = cli.from_flags(ExportOptions, flags.FLAGS)
    quieten_tensorflow()
    for file in export(options):
        terminal.say(file.summary)
    terminal.say(f'model card: {os.path.join(options.folder, "model_card.md")}')


if __name__ == '__main__':
    cli.run(main, __doc__, [ExportOptions])
