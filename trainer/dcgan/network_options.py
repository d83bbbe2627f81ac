"""The shape of the two networks, as options: what a checkpoint cannot change."""

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
        'Side of the square images; 0 is what the data set holds, or of a folder of images the largest size that most '
        'of them can fill.',
        unit='px',
        choices=(0, *architecture.IMAGE_SIZES),
    )
    channels: int = option(
        0, 'Colour channels: 3 is RGB, 1 is grey; 0 is what the data set holds, or the images are.', choices=(0, 1, 3)
    )
    base_filters: int = option(
        32,
        'Filters of the layer at the image; each layer inwards doubles them.',
        lower=1,
        upper=512,
        why='at 128 px that is a network of three thousand million weights',
    )
    noise_dim: int = option(
        100,
        "Length of the generator's input vector.",
        lower=1,
        upper=8192,
        why='more numbers than an image of 32 px has make nothing more of it',
    )
    kernel_size: int = option(
        4,
        'Side of the kernels of stride 2: 4 takes two thirds of the products of 5, which the published TPU code has.',
        unit='px',
        choices=convolution.KERNEL_SIZES,
    )
    generator_norm: str = option(
        architecture.SELF_MODULATED,
        "What bounds the generator's layers: batch normalisation as in the DCGAN paper, or one whose scale and offset "
        'each image gets from its noise.',
        choices=architecture.GENERATOR_NORMS,
    )
    generator_output: str = option(
        architecture.REFINED,
        'What makes the images: a transposed convolution of features of half their size, as in the DCGAN paper, or it '
        "and a convolution of features of the images' own size, a quarter of --base_filters and at least 8.",
        choices=architecture.GENERATOR_OUTPUTS,
    )
    discriminator_input: str = option(
        architecture.IMAGE,
        "What the discriminator's first layer of stride 2 sees: the image, as in the DCGAN paper, or it and a "
        "convolution's 8 features of the image's own size.",
        choices=architecture.DISCRIMINATOR_INPUTS,
    )
    discriminator_norm: str = option(
        'batch',
        "What bounds the discriminator's layers: batch normalisation as in the DCGAN paper, spectral normalisation, or "
        'nothing.',
        choices=tuple(normalization.NORMS),
    )
    minibatch_stddev: bool = option(
        False, 'Show the discriminator how much the images of a batch differ, against collapse.'
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
        """With these where size and channels are left to the data."""
        return dataclasses.replace(self, image_size=self.image_size or image_size, channels=self.channels or channels)
