"""The options for the shape of the two networks; a checkpoint fits one shape only."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from trainer.dcgan import architecture, convolution, normalization
from trainer.flags.declaration import Options, option

N = TypeVar('N', bound='NetworkOptions')


@dataclasses.dataclass(frozen=True)
class NetworkOptions(Options):
    """The shape of the two networks."""

    image_size: int = option(
        0,
        'Side of the square images; 0 takes the size of the data set or, for a folder of images, the largest size that '
        'most of them can fill.',
        unit='px',
        choices=(0, *architecture.IMAGE_SIZES),
    )
    channels: int = option(
        0, 'Colour channels: 3 is RGB, 1 is grey; 0 takes those of the data set or of the images.', choices=(0, 1, 3)
    )
    base_filters: int = option(
        32,
        'Filters of the layer at the image; each layer inwards doubles them.',
        lower=1,
        upper=512,
        why='at 128 px that is a network of three billion weights',
    )
    noise_dim: int = option(
        100,
        "Length of the generator's input vector.",
        lower=1,
        upper=8192,
        why='more numbers than an image of 32 px has bring no gain',
    )
    kernel_size: int = option(
        4,
        'Side of the stride-2 kernels: 4 takes two thirds of the multiplications of 5, which the published TPU code '
        'uses.',
        unit='px',
        choices=convolution.KERNEL_SIZES,
    )
    generator_norm: str = option(
        architecture.SELF_MODULATED,
        "Normalisation of the generator's layers: batch as in the DCGAN paper, or self_modulated, which computes scale "
        "and offset from each image's noise.",
        choices=architecture.GENERATOR_NORMS,
    )
    generator_output: str = option(
        architecture.REFINED,
        "The generator's last layer: deconv is a transposed convolution from half the image size, as in the DCGAN "
        'paper; refined adds a convolution of full-size features, a quarter of --base_filters and at least 8.',
        choices=architecture.GENERATOR_OUTPUTS,
    )
    discriminator_input: str = option(
        architecture.IMAGE,
        "What the discriminator's first stride-2 layer sees: image is the image, as in the DCGAN paper; features adds "
        '8 full-size features from a convolution.',
        choices=architecture.DISCRIMINATOR_INPUTS,
    )
    discriminator_norm: str = option(
        'batch',
        "Normalisation of the discriminator's layers: batch as in the DCGAN paper, spectral, or none.",
        choices=tuple(normalization.NORMS),
    )
    minibatch_stddev: bool = option(
        False, 'Show the discriminator how much the images of a batch differ, against mode collapse.'
    )

    @property
    def architecture(self) -> architecture.Architecture:
        """The shape of both networks."""
        return architecture.Architecture(
            self.image_size,
            self.channels,
            self.noise_dim,
            architecture.filters(self.image_size, self.base_filters),
            self.discriminator_norm,
            self.minibatch_stddev,
            self.generator_norm,
            self.kernel_size,
            self.generator_output,
            self.discriminator_input,
        )

    def sized(self: N, image_size: int, channels: int) -> N:
        """With these values where image size and channels are left to the data."""
        return dataclasses.replace(self, image_size=self.image_size or image_size, channels=self.channels or channels)
