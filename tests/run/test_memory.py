"""A model or a batch beyond this machine's memory is refused, and one that fits is not."""

from __future__ import annotations

import math

import pytest

from tests.conftest import tiny_hparams
from trainer import errors
from trainer.model_dir import checkpoint_check
from trainer.run import memory


@pytest.mark.parametrize(
    ('size', 'channels', 'filters', 'full_size'),
    [
        (32, 3, 4, {'generator_output': 'refined'}),
        (64, 1, 8, {}),
        (128, 3, 2, {'generator_output': 'refined', 'discriminator_input': 'features'}),
    ],
)
def test_the_estimate_counts_the_kernels_of_both_networks(size, channels, filters, full_size):
    shape = {'image_size': size, 'channels': channels, 'base_filters': filters, **full_size}
    hparams = tiny_hparams(**shape, ema_half_life_kimg=0.0)
    shapes = checkpoint_check.of_networks(hparams)
    kernels = sum(math.prod(shape) for name, shape in shapes.items() if name.endswith('/kernel'))
    assert memory.weight_bytes(hparams.architecture) == 4 * 4 * kernels


def test_what_fits_passes_and_what_does_not_is_named(monkeypatch):
    hparams = tiny_hparams(image_size=128, base_filters=64, train_batch_size=1024)
    monkeypatch.setattr(memory, 'physical_bytes', lambda: 8 * 2**30)
    memory.check(hparams)
    monkeypatch.setattr(memory, 'physical_bytes', lambda: 4 * 2**30)
    with pytest.raises(errors.UserError, match=r'--train_batch_size=1024 at 128 px need more than 6\.\d GiB .* 4\.0'):
        memory.check(hparams)


def test_a_container_has_less_than_its_machine(tmp_path, monkeypatch):
    machine = memory.physical_bytes()
    assert 2**28 < machine < 2**60
    limit = tmp_path / 'memory.max'
    monkeypatch.setattr(memory, '_LIMITS', (str(limit),))
    for text, expected in (('max\n', machine), ('1073741824\n', 2**30)):
        limit.write_text(text)
        assert memory.physical_bytes() == expected
