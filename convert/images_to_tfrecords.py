"""Turns a folder of images into TFRecords to train on.

  python -m convert.images_to_tfrecords --input_dir=photos --output_dir=data/photos --image_size=64

Reads the image formats listed in docs/safety.md. Files that are left out are listed with their reasons in rejected.csv,
beside the records. Look at preview.png before you train.
"""

from __future__ import annotations

from absl import flags, logging

from convert import conversion
from convert.options import ConvertOptions
from trainer import cli


def main() -> None:
    """Converts as the flags say."""
    options = cli.from_flags(ConvertOptions, flags.FLAGS)
    conversion.convert(options)
    logging.info('next: %s', conversion.next_command(options))


if __name__ == '__main__':
    cli.run(main, __doc__, [ConvertOptions])
