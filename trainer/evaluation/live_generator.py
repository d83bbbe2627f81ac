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
from trainer.page import budget, network_packing
from trainer.page.live_content import Live

DIRECTIONS = 5  # Sliders.
MOST_BYTES = budget.MOST_BYTES // 2  # Of the weights in base64.
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

    Returns:
      The tab with the most bits a weight that fit into half of a page; its `smaller` has fewer, or no network.
    """
    weights = generator.weights()
    network = tracing.network(weights, hparams.architecture)
    described = _described(generator, hparams.image_size, hparams.channels)
    live = dataclasses.replace(
        described, command=command, serve=serve, directions=tracing.directions(weights, DIRECTIONS)
    )
    sizes = {bits: len(network_packing.packed(network, bits)['bytes']) for bits in network_packing.PRECISIONS}
    fitting = {bits: size for bits, size in sizes.items() if size <= MOST_BYTES}
    if not fitting:
        least = min(sizes)
        return _refused(
            live,
            f'This generator is too large for a page: its {network.size:,} weights take {sizes[least] / 1e6:.1f} MB '
            f'in {least} bits, and a page may use {MOST_BYTES / 1e6:.1f} MB. A server makes its pictures: {serve}',
        )
    no_room = f'The generator finds no room on this page beside all the rest. A server makes its pictures: {serve}'
    made, found = dataclasses.replace(live, note=no_room), ''
    for bits in sorted(fitting):
        mean, found = _apart(generator, network, bits)
        if mean <= _MOST_LEVELS:
            note = (
                f'{_HERE}: {network.size:,} weights in {bits} bits. They differ from those of the trainer by {found}.'
            )
            made = dataclasses.replace(live, network=network, bits=bits, note=note, smaller=made)
    if not made.network:
        bits = max(fitting)
        return _refused(
            live,
            f'In {bits} bits this generator would make other pictures: they differ by {found}. '
            f'A server makes the true ones: {serve}',
        )
    logging.info('live generator: %s', made.note)
    return made


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


def _apart(generator: CheckpointGenerator, network: Network, bits: int) -> tuple[float, str]:
    """How much the pictures differ in so many bits: grey levels on average, and in words."""
    apart = difference(generator, network_packing.rounded(network, bits))
    mean, most = float(apart.mean()), int(apart.max())
    return mean, f'{mean:.2f} grey levels of 255 on average and {most} at most, over the pictures of {_SEEDS} seeds'


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
