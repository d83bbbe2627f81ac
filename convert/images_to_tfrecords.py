"""Turns a folder of images into TFRecords to train on.

  python -m convert.images_to_tfrecords --input_dir=photos --output_dir=data/photos --image_size=64

Reads the image formats listed in docs/safety.md. Files that are left out are listed with their reasons in rejected.csv,
beside the records. Look at preview.png before you train.
"""

from __future__ import annotations

from absl import flags, logging

from convert import conversion, local
from convert.distributed import quiet
from convert.options import LOCAL, ConvertOptions, RunnerOptions
from trainer import cli, errors


def main() -> None:
    """Converts as the flags say."""
    options = cli.from_flags(ConvertOptions, flags.FLAGS)
    conversion.convert(options, driver=_driver(cli.from_flags(RunnerOptions, flags.FLAGS)))
    logging.info('next: %s', conversion.next_command(options))


def _driver(runner: RunnerOptions) -> conversion.Driver:
    """What runs the stages.

    Raises:
      errors.UserError: Apache Beam is not installed.
    """
    if runner.runner == LOCAL:
        return local.write_dataset
    try:
        with quiet.importing():
            from convert.distributed import driver
    except ImportError as error:
        raise errors.UserError(
            f"--runner={runner.runner} needs Apache Beam ({error}): pip install 'tpu-dcgan[beam]'"
        ) from None
    return driver.Driver(runner)


if __name__ == '__main__':
    cli.run(main, __doc__, [ConvertOptions, RunnerOptions])
