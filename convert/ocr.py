"""Reads the text in small pictures by OCR: a table of votes for convert.label.

  python -m convert.ocr --input_dir=crops --alphabet=0123456789 --length=1 --output=ocr.csv

Each picture is read twice, as it is and in black on white; where both give the same text, the vote is sure. Needs
RapidOCR (pip install 'tpu-dcgan[ocr]') or Tesseract (apt-get install tesseract-ocr), and no network.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from absl import flags

from convert.reading import engines, inputs, reader, votes_file
from trainer import cli, errors, terminal
from trainer.flags.declaration import ANYWHERE, Options, option
from trainer.quiet import quieten_tensorflow


@dataclasses.dataclass(frozen=True)
class OcrOptions(Options):
    """What to read, by what, and where the votes go."""

    input_dir: str = option('', 'Local or gs:// folder with the pictures.', unit='folder', path=ANYWHERE)
    data: str = option(
        '', 'A data-set folder, local or gs://, to read instead of --input_dir.', unit='folder', path=ANYWHERE
    )
    alphabet: str = option(
        '0123456789', 'The characters that count; a text with others gives no vote.', unit='characters', empty=False
    )
    length: int = option(
        0, 'How many characters a text must have; 0 for any number.', unit='characters', lower=0, upper=100
    )
    engine: str = option(
        engines.AUTO,
        f'What reads; {engines.AUTO} takes {engines.RAPIDOCR} where it is installed, else {engines.TESSERACT}.',
        choices=(engines.AUTO, engines.RAPIDOCR, engines.TESSERACT),
    )
    output: str = option('ocr.csv', 'Where the votes go, local or gs://.', unit='file', path=ANYWHERE)

    overwrite: bool = option(False, 'Replace the table of votes that --output is; what is no such table stays.')

    def __post_init__(self) -> None:
        """Checks what the flags cannot."""
        super().__post_init__()
        if bool(self.input_dir) == bool(self.data):
            raise errors.UserError('give --input_dir=FOLDER with pictures, or --data=FOLDER with a data set, not both')
        if not self.alphabet.strip() or not self.alphabet.isprintable():
            raise errors.UserError(
                f'--alphabet={self.alphabet} is no alphabet: name the characters that the pictures show, such as '
                '0123456789'
            )


def ocr(options: OcrOptions, say: Callable[[str], None] = lambda _: None) -> str:
    """Reads all pictures, writes the table of votes, and returns the report as text, which `say` gets first.

    Raises:
      errors.UserError: no engine is installed, there are no pictures, none of them gives a vote, or the table cannot be
        written or would replace another file. What can be checked before the work is checked first.
    """
    votes_file.check(options.output, options.overwrite)
    engine = engines.make(options.engine, options.alphabet, options.length)
    pictures = inputs.of_data_set(options.data) if options.data else inputs.of_folder(options.input_dir, options.output)
    found = reader.read(pictures, engine, options.alphabet, options.length)
    summary = f'{engine.name}: {reader.summary(found)}'
    if not found.votes:
        raise errors.UserError(
            f'no image gives a vote, and {options.output} is not written ({summary}): name the characters that the '
            'pictures show with --alphabet, or another --length or --engine'
        )
    votes_file.write(options.output, found.votes, options.overwrite)
    following = {'data': options.data or 'DATA_SET', 'votes': options.output, 'marks': 'MARKS.csv'}
    said = f'{summary}; see {options.output}\nnext: {cli.command("convert.label", **following, output_dir="FOLDER")}'
    say(said)
    return said


def main() -> None:
    """Reads as the flags say."""
    options = cli.from_flags(OcrOptions, flags.FLAGS)
    quieten_tensorflow()
    ocr(options, terminal.say)


if __name__ == '__main__':
    cli.run(main, __doc__, [OcrOptions])
