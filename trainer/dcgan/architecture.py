"""The table of image sizes: everything that differs between a 32, a 64 and a 128 px DCGAN."""

from __future__ import annotations

import dataclasses

# Filters of each stride-2 layer, from the image side to the 4x4 map, as multiples of --base_filters.
FILTER_MULTIPLIERS = {
    32: (1, 2, 4),
    64: (1, 2, 4, 8),
    128: (1, 2, 4, 8, 16),
}
IMAGE_SIZES = tuple(FILTER_MULTIPLIERS)
BOTTOM_SIZE = 4  # Side of the smallest feature map of both networks.
BATCH, SELF_MODULATED = GENERATOR_NORMS = ('batch', 'self_modulated')
DECONV, REFINED = GENERATOR_OUTPUTS = ('deconv', 'refined')
PLAIN, FILTERED = GENERATOR_UPSAMPLINGS = ('plain', 'filtered')
IMAGE, FEATURES = DISCRIMINATOR_INPUTS = ('image', 'features')
UNCONDITIONAL, LABELS, CLUSTERS = CONDITIONS = ('none', 'labels', 'clusters')
FULL_SIZE_KERNEL = 3  # px
_FEWEST_REFINING_FILTERS = 8  # Enough for three colours.
_INPUT_FILTERS = 8  # Twice as many brought no gain: docs/experiments.md.


@dataclasses.dataclass(frozen=True)
class Architecture:
    """The shape of both networks.

    Attributes:
      image_size: side of the square images, px.
      channels: 3 (RGB) or 1 (grey).
      noise_dim: length of the generator's input vector.
      filters: filters of each stride-2 layer, from the image side inwards.
      discriminator_norm: a key of normalization.NORMS.
      minibatch_stddev: whether the discriminator sees how much the images of a batch differ.
      generator_norm: BATCH or SELF_MODULATED.
      kernel_size: side of the kernels of all stride-2 layers, px.
      generator_output: the generator's last layer. DECONV: a transposed convolution from half the image size, as in the
        DCGAN paper. REFINED: the same plus a convolution of full-size features.
      generator_upsampling: how the generator doubles a size. PLAIN: by a transposed convolution, as in the DCGAN paper.
        FILTERED: from 32 px on, by one with a low-pass filter.
      discriminator_input: what the discriminator's first stride-2 layer sees. IMAGE: the image, as in the DCGAN paper.
        FEATURES: the image and full-size features of it.
      classes: how many classes both networks are conditioned on; 0 for an unconditional DCGAN.
    """

    image_size: int
    channels: int
    noise_dim: int
    filters: tuple[int, ...]
    discriminator_norm: str = 'batch'
    minibatch_stddev: bool = False
    generator_norm: str = BATCH
    kernel_size: int = 5
    generator_output: str = DECONV
    discriminator_input: str = IMAGE
    classes: int = 0
    generator_upsampling: str = PLAIN

    def __post_init__(self) -> None:
        reached = BOTTOM_SIZE * 2 ** len(self.filters)
        if self.image_size != reached:
            raise ValueError(
                f'{len(self.filters)} stride-2 layers reach {reached} px, not {self.image_size}: '
                'correct the row in FILTER_MULTIPLIERS'
            )

    @property
    def refining_filters(self) -> int:
        """Number of full-size features in the generator; 0 if there are none."""
        return max(_FEWEST_REFINING_FILTERS, self.filters[0] // 4) if self.generator_output == REFINED else 0

    @property
    def input_filters(self) -> int:
        """Number of full-size features in the discriminator; 0 if there are none."""
        return _INPUT_FILTERS if self.discriminator_input == FEATURES else 0


def filters(image_size: int, base_filters: int) -> tuple[int, ...]:
    """The row of the table for `image_size`, times `base_filters`."""
    return tuple(base_filters * multiplier for multiplier in FILTER_MULTIPLIERS[image_size])
