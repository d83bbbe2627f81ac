"""The generator on a page: in which precision it fits, and how much its pictures then differ from the real ones."""

from __future__ import annotations

import dataclasses

import numpy as np
from absl import logging

from trainer import operations
from trainer.dcgan.hparams import HParams
from trainer.generator import tracing
from trainer.generator.sampler import CheckpointGenerator, ExportedGenerator, Generator
from trainer.operations import Network
from trainer.page import network_packing
from trainer.page.content import Live

DIRECTIONS = 5  # Sliders.
MOST_BYTES = 7_500_000  # Of the weights in base64: half of the 15 MB that a page may take.
_MOST_LEVELS = 3.0  # Grey levels of difference, on average: more is another generator.
_SEEDS = 16
_HERE = 'Pictures are made on this page by the generator itself'


def embedded(generator: CheckpointGenerator, hparams: HParams, command: str, serve: str) -> Live:
    """A tab that makes pictures by itself, if the generator fits and its pictures stay as they are.

    Args:
      generator: with a checkpoint loaded.
      hparams: of its run.
      command: makes a picture again if ` --seeds=SEED` is appended.
      serve: the command that makes pictures where they cannot be made here.
    """
    weights = generator.weights()
    network = tracing.network(weights, hparams.architecture)
    described = _described(generator, hparams.image_size, hparams.channels)
    live = dataclasses.replace(described, command=command, directions=tracing.directions(weights, DIRECTIONS))
    for bits in network_packing.PRECISIONS:
        size = len(network_packing.packed(network, bits)['bytes'])
        if size <= MOST_BYTES:
            return _judged(live, generator, network, bits, size, serve)
    note = (
        f'This generator is too large for a page: its {network.size:,} weights take {size / 1e6:.1f} MB in {bits} '
        f'bits, and a page may use {MOST_BYTES / 1e6:.1f} MB for them. A server makes its pictures: {serve}'
    )
    return _refused(live, note)


def served(generator: CheckpointGenerator | ExportedGenerator, side: int, channels: int, predict: str) -> Live:
    """A tab whose pictures a server makes.

    Args:
      generator: from a checkpoint or a SavedModel.
      side, channels: of its pictures.
      predict: the address that answers, such as '/predict'.
    """
    directions = tracing.directions(generator.weights(), DIRECTIONS)
    return dataclasses.replace(_described(generator, side, channels), predict=predict, directions=directions)


def difference(generator: Generator, network: Network) -> np.ndarray:
    """Grey levels between the pictures of a generator and of a network for the first seeds, int [N, H, W, C]."""
    latents = generator.latents(range(_SEEDS))
    parts = [latents[:, : generator.noise_dim], *([latents[:, generator.noise_dim :]] if generator.classes else [])]
    with np.errstate(all='ignore'):  # Weights that are not finite show in the difference.
        made = operations.pixels(np.nan_to_num(operations.run(network, *parts), nan=-1.0))
    return np.abs(made.astype(np.int16) - generator.images(latents))


def _judged(live: Live, generator: CheckpointGenerator, network: Network, bits: int, size: int, serve: str) -> Live:
    apart = difference(generator, network_packing.rounded(network, bits))
    mean, most = float(apart.mean()), int(apart.max())
    found = f'{mean:.2f} grey levels of 255 on average and {most} at most, over the pictures of {_SEEDS} seeds'
    logging.info('live generator: %d bits, %.1f MB, differs by %s', bits, size / 1e6, found)
    if mean > _MOST_LEVELS:
        return _refused(
            live,
            f'In {bits} bits this generator would make other pictures: they differ by {found}. '
            f'A server makes the true ones: {serve}',
        )
    note = f'{_HERE}: {network.size:,} weights in {bits} bits. They differ from those of the trainer by {found}.'
    return dataclasses.replace(live, network=network, bits=bits, note=note)


def _refused(live: Live, note: str) -> Live:
    logging.warning('no live generator on the page: %s', note)
    return dataclasses.replace(live, note=note)


def _described(generator: Generator, side: int, channels: int) -> Live:
    classes = generator.classes
    return Live(
        noise_dim=generator.noise_dim,
        side=side,
        channels=channels,
        labels=classes.names if classes else (),
        shares=tuple(classes.shares) if classes else (),
    )
