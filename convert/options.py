"""The options of the converter."""

from __future__ import annotations

import dataclasses
from typing import Any

from PIL import ImageColor

from trainer import errors
from trainer.data import picture_file
from trainer.dcgan import architecture
from trainer.flags.declaration import ANYWHERE, Options, option

CROP, PAD, STRETCH = 'crop', 'pad', 'stretch'
WHOLE = 'whole'
LOCAL, DIRECT, DATAFLOW = 'local', 'direct', 'dataflow'
_MAX_HOLDOUT_PERCENT = 50
# Options that change where the data come from and go to, and how fast, but not the data.
_NOT_SHAPING = ('input_dir', 'output_dir', 'workers', 'overwrite')


@dataclasses.dataclass(frozen=True)
class ConvertOptions(Options):
    """Which images to convert, and how to make the data set.

    Raises:
      errors.UserError: a value breaks its rule.
    """

    input_dir: str = option(
        '', 'Local or gs:// folder with the images; the folders in it are the labels.', unit='folder', path=ANYWHERE
    )
    output_dir: str = option(
        '',
        'Local or gs:// folder for the data set; one on gs:// needs room for two copies in $TMPDIR meanwhile.',
        unit='folder',
        path=ANYWHERE,
    )
    image_size: int = option(64, 'Side of the square images.', unit='px', choices=architecture.IMAGE_SIZES)
    channels: int = option(3, '3 for colour, 1 for grey.', choices=(3, 1))
    fit: str = option(
        CROP,
        'How an oblong image becomes square: cropped to its centre, padded with the background, or stretched.',
        choices=(CROP, PAD, STRETCH),
    )
    background: str = option(
        'white', "Colour behind transparent pixels and of the borders of --fit=pad: a name or '#rrggbb'.", unit='colour'
    )
    holdout_percent: float = option(
        5.0, 'Share of the images held out from training, chosen by a hash of their pixels.', unit='percent', lower=0
    )
    shard_mib: int = option(
        100, 'Target size of each TFRecord file.', unit='MiB', lower=1, upper=1 << 20, why='that is a TiB'
    )
    max_megapixels: float = option(
        picture_file.MOST_MEGAPIXELS,
        'Larger images are rejected before they are decoded.',
        unit='megapixels',
        lower=0.001,
        upper=4000,
        why='each takes 8 MB of memory',
    )
    keep_duplicates: bool = option(False, 'Keep images whose pixels equal those of an earlier one.')
    seed: int = option(0, 'Decides the order of the records.', lower=0, upper=2**63 - 1, why='JSON keeps 64 bits')
    workers: int = option(
        0,
        'Threads that decode images, with --runner=direct processes; 0 is one for each core. Downloads from gs:// have '
        'their own threads.',
        unit='threads',
        lower=0,
        upper=1024,
        why='no machine has more cores',
    )
    overwrite: bool = option(False, 'Replace the data set that --output_dir holds.')

    def __post_init__(self) -> None:
        """Checks what the flags cannot."""
        super().__post_init__()
        for name in ('input_dir', 'output_dir'):
            if not getattr(self, name):
                raise errors.UserError(f'--{name} is missing: name a local or gs:// folder with --{name}=FOLDER')
        if not 0 <= self.holdout_percent <= _MAX_HOLDOUT_PERCENT:
            raise errors.UserError(
                f'--holdout_percent={self.holdout_percent:g} leaves too little to train on: '
                f'choose 0 to {_MAX_HOLDOUT_PERCENT}'
            )
        try:
            ImageColor.getrgb(self.background)
        except ValueError:
            raise errors.UserError(
                f"--background={self.background} is not a colour: give a name such as white, or '#rrggbb'"
            ) from None

    @property
    def mode(self) -> str:
        """Pillow's mode of the images that are written."""
        return 'RGB' if self.channels == 3 else 'L'

    def shaping(self) -> dict[str, Any]:
        """The options that decide what the data set holds, for its manifest."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in _NOT_SHAPING}


@dataclasses.dataclass(frozen=True)
class RunnerOptions(Options):
    """Where the conversion runs; the data set is the same.

    Raises:
      errors.UserError: a value breaks its rule.
    """

    runner: str = option(
        LOCAL,
        'local: on threads of this machine. direct: on processes of this machine by Apache Beam, to try on few images '
        'what dataflow does. dataflow: on Google Cloud Dataflow (docs/dataflow.md). Both need '
        "pip install 'tpu-dcgan[beam]'.",
        choices=(LOCAL, DIRECT, DATAFLOW),
    )
    beam_flags: str = option('', "Options of Apache Beam in one word, '--project=P --region=R'.", unit='flags')

    def __post_init__(self) -> None:
        """Checks what the flags cannot."""
        super().__post_init__()
        if self.beam_flags and self.runner == LOCAL:
            raise errors.UserError(
                f'--beam_flags={self.beam_flags} has no meaning with --runner={LOCAL}: add --runner={DIRECT} or '
                f'--runner={DATAFLOW}'
            )


@dataclasses.dataclass(frozen=True)
class Whole:
    """What `ConvertOptions` says of the pixels, for an image that stays whole and keeps its shape.

    Attributes:
      image_size: the longest side in px, to which a larger image is reduced.
    """

    image_size: int
    fit: str = dataclasses.field(default=WHOLE, init=False)
    channels: int = 3
    mode: str = 'RGB'
    background: str = 'white'
