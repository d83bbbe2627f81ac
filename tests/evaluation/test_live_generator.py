"""Which generators go on a page, and in how many bits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.conftest import SHIPPED, tiny_hparams, write_run
from trainer import operations
from trainer.evaluation import live_generator
from trainer.generator import sampler, tracing
from trainer.page import network_packing

HPARAMS = tiny_hparams(**SHIPPED)
SERVE = 'python -m trainer.serve --model_dir=x'


@pytest.fixture(scope='module')
def generator(tmp_path_factory) -> sampler.CheckpointGenerator:
    checkpoint = write_run(tmp_path_factory.mktemp('run'), 3, HPARAMS)
    return sampler.CheckpointGenerator(HPARAMS).restore(checkpoint)


def size(generator, bits: int) -> int:
    network = tracing.network(generator.weights(), HPARAMS.architecture)
    return len(network_packing.packed(network, bits)['bytes'])


def test_a_generator_that_fits_is_embedded_and_compared(generator):
    live = live_generator.embedded(generator, HPARAMS, 'make it', SERVE)
    assert (live.bits, live.side, live.channels, live.noise_dim) == (16, 32, 3, 8)
    assert (live.command, live.labels, np.shape(live.directions)) == ('make it', (), (5, 8))
    assert live.network.inputs == ((8,),)
    assert f'{live.network.size:,} weights in 16 bits' in live.note
    latents = generator.latents(range(40, 44))
    made = operations.pixels(operations.run(live.network, latents))
    assert np.abs(made.astype(int) - generator.images(latents)).max() <= 1


def test_a_larger_one_takes_8_bits_and_one_larger_still_is_left_out(generator, monkeypatch):
    monkeypatch.setattr(live_generator, 'MOST_BYTES', size(generator, 16) - 1)
    assert live_generator.embedded(generator, HPARAMS, '', SERVE).bits == 8
    monkeypatch.setattr(live_generator, 'MOST_BYTES', size(generator, 8) - 1)
    live = live_generator.embedded(generator, HPARAMS, '', SERVE)
    assert live.network is None
    assert 'too large for a page' in live.note and live.note.endswith(f'A server makes its pictures: {SERVE}')


@pytest.mark.parametrize('factor', [1e6, np.nan])
def test_one_that_rounding_would_change_is_left_out(generator, factor, monkeypatch):
    """Weights that 16 bits cannot hold make other pictures."""
    monkeypatch.setattr(
        network_packing,
        'rounded',
        lambda network, bits: dataclasses.replace(
            network,
            operations=tuple(
                dataclasses.replace(operation, arrays={k: v * np.float32(factor) for k, v in operation.arrays.items()})
                for operation in network.operations
            ),
        ),
    )
    live = live_generator.embedded(generator, HPARAMS, '', SERVE)
    assert live.network is None
    assert 'would make other pictures: they differ by' in live.note and SERVE in live.note


def test_a_server_makes_pictures_of_any_generator(generator):
    live = live_generator.served(generator, 32, 3, '/predict')
    assert (live.network, live.predict, np.shape(live.directions), live.noise_dim) == (None, '/predict', (5, 8), 8)
